"""Twilio's API errors as values: code, HTTP status, message and JSON body.

Source: https://www.twilio.com/docs/api/errors (codes). The HTTP status is 400 unless listed here.
"""

from dataclasses import dataclass
from typing import Any

_STATUS = {20003: 401, 20404: 404, 20409: 409, 20429: 429, 20500: 500, 20503: 503, 30409: 409, 20004: 405}

ERROR_MESSAGES = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20004: "Method not allowed",
    20404: "The requested resource was not found",
    20409: "Conflict",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    20503: "Service Unavailable",
    21211: "Invalid 'To' Phone Number: {0}",
    21212: "Invalid From Number (caller ID): {0}",
    21265: "'To' number {0} cannot be a Short Code",
    21266: "'To' and 'From' number cannot be the same: {0}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {0}",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number {0} is not a valid, message-capable Twilio number for this destination/account",
    21609: "Invalid 'StatusCallback' URL: {0}",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages: {0}",
    21612: "Message cannot be sent with the current combination of 'To' ({0}) and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number: {0}",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21623: "Number of media files exceeds allowed limit",
    21624: "Invalid Validity Period Value: {0}",
    21654: "ContentSid is required with ContentVariables",
    21655: "The ContentSid is invalid: {0}",
    21656: "The ContentVariables parameter is invalid",
    21659: "'From' {0} is not a Twilio phone number or Short Code country mismatch",
    21660: "Mismatch between the 'From' number {0} and the account",
    21701: "The Messaging Service does not exist: {0}",
    21704: "The Messaging Service contains no phone numbers: {0}",
    30409: "Message is already finalized and cannot be canceled",
    35111: "SendAt is missing",
    35114: "Scheduling does not support this timestamp: {0}",
    35117: "SendAt is outside the scheduling window: {0}",
    35118: "MessagingServiceSid is required to schedule a message",
    35126: "ScheduleType must be fixed: {0}",
}


@dataclass(frozen=True, slots=True)
class ApiError:
    """Why a request was refused, without effect. ``about`` is the value that the message names."""

    code: int
    about: str = ""

    @property
    def status(self) -> int:
        """HTTP status of the response."""
        return _STATUS.get(self.code, 400)

    def body(self) -> dict[str, Any]:
        """Twilio's JSON for this error."""
        return {
            "code": self.code,
            "message": ERROR_MESSAGES[self.code].format(self.about),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
