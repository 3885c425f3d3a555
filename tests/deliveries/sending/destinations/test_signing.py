"""Signature Version 4 against Amazon's own signer: one that differs in a byte sends nothing."""

from __future__ import annotations

from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from deliveries.sending.destinations import aws

hosts = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,10}){1,3}", fullmatch=True)
words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=40)
secrets = st.text(st.sampled_from("abcXYZ019/+="), min_size=16, max_size=60)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@given(
    host=hosts,
    port=st.sampled_from(["", ":8443", ":5000"]),
    body=st.binary(max_size=300),
    secret=secrets,
    token=st.one_of(st.none(), words),
    region=st.sampled_from(["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"]),
    service=st.sampled_from(["events", "sqs"]),
    extra=values,
)
def test_a_signature_is_the_one_that_amazons_signer_makes(
    host: str, port: str, body: bytes, secret: str, token: str | None, region: str, service: str, extra: str
) -> None:
    url, now = f"https://{host}{port}/", get_current_datetime()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents", "X-Shop": extra}
    theirs = AWSRequest("POST", url, data=body, headers=dict(headers))
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", secret, token), service, region).add_auth(theirs)
    ours = {**headers, "X-Amz-Date": theirs.headers["X-Amz-Date"]}
    if token:
        ours["X-Amz-Security-Token"] = token
    signature = aws.sign(url, ours, body, key_id="AKIAIOSFODNN7EXAMPLE", secret=secret, region=region, service=service)
    assert signature == theirs.headers["Authorization"]
