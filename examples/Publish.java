// Publish one send request from Java, with the plain Kafka client and Apache Avro.
//
// Needs org.apache.kafka:kafka-clients and org.apache.avro:avro on the class path, and a JDK 17 or newer:
//   java -cp 'lib/*' examples/Publish.java 127.0.0.1:9092 +12125550123 "Hello"
// With a Schema Registry use Confluent's KafkaAvroSerializer instead: it writes the five bytes before the record itself.

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Publish {
    /** The record's committed wire id: schemas/ids.json, "send_request.v1". */
    static final int SCHEMA_ID = 1001;

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0], to = arguments[1], body = arguments[2];
        Schema schema = new Schema.Parser().parse(new File("schemas/avro/send_request.v1.avsc"));
        GenericRecord request = new GenericRecordBuilder(schema)
            .set("message_id", "java-" + UUID.randomUUID())
            .set("to", to)
            .set("body", body)
            .set("requested_at", Instant.now().toEpochMilli())
            .build();

        var settings = Map.<String, Object>of(
            "bootstrap.servers", broker,
            "acks", "all",
            "key.serializer", StringSerializer.class,
            "value.serializer", ByteArraySerializer.class);
        try (var producer = new KafkaProducer<String, byte[]>(settings)) {
            var published = producer.send(new ProducerRecord<>("sms-requests", to, encode(schema, request))).get();
            System.out.println("published " + request.get("message_id") + " to partition " + published.partition());
        }
    }

    /** Confluent's wire format: a zero byte, the schema's id in four bytes, the Avro record. */
    static byte[] encode(Schema schema, GenericRecord record) throws Exception {
        var bytes = new ByteArrayOutputStream();
        bytes.write(ByteBuffer.allocate(5).put((byte) 0).putInt(SCHEMA_ID).array());
        var encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }
}
