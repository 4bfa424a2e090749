#!/bin/sh
# Publish one request and read the answer's bytes with kcat: examples/kcat.sh BROKER [NUMBER]
#
# kcat writes bytes, so the Avro record is made by smsflow's own package; any program that writes Avro does as well.
set -eu
broker=${1:?usage: examples/kcat.sh BROKER [NUMBER]}
number=${2:-+12125550123}
here=$(cd "$(dirname "$0")/.." && pwd)
value=$(mktemp)
trap 'rm -f "$value"' EXIT
cd "$here"
.venv/bin/python - "$number" > "$value" <<'PYTHON'
import sys
from datetime import UTC, datetime
from uuid import uuid4

from schemas.codec import Codec
from schemas.records import SendRequest

request = SendRequest(message_id=f"kcat-{uuid4()}", to=sys.argv[1], body="Hello from kcat", requested_at=datetime.now(UTC))
sys.stdout.buffer.write(Codec().encode(request))
PYTHON
kcat -b "$broker" -P -t sms-requests -k "$number" -p -1 -X partitioner=murmur2_random -X acks=all "$value"
echo "published; the newest records of sms-status, as key, schema id and bytes:"
kcat -b "$broker" -C -e -q -t sms-status -o -3 -s 'value=>bIs' -f '%k %s\n' | cut -c1-120
