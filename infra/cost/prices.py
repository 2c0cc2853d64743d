"""List prices of AWS, in US dollars, for us-east-1 and a month of 730 hours. No free tier, no savings plan, no tax.

Written down from AWS's price pages as known on the date below; they change, and other regions are up to a third dearer.
Look at the page before you rely on one.
"""

from __future__ import annotations

from dataclasses import dataclass

DATE = "2026-11-22"
REGION = "us-east-1"
HOURS = 730.0
MILLION = 1_000_000.0


@dataclass(frozen=True)
class Price:
    """Dollars for one `unit`, and the page that says so."""

    dollars: float
    unit: str
    page: str


LAMBDA = "aws.amazon.com/lambda/pricing"
CLOUDWATCH = "aws.amazon.com/cloudwatch/pricing"
RDS = "aws.amazon.com/rds/postgresql/pricing"
VPC = "aws.amazon.com/vpc/pricing"

PRICES = {
    "lambda gb-second": Price(0.0000133334, "GB-second, arm64", LAMBDA),
    "lambda request": Price(0.20 / MILLION, "request", LAMBDA),
    "snapstart cache": Price(0.0000015046, "GB-second of a published version's memory", LAMBDA),
    "snapstart restore": Price(0.0001397998, "GB restored", LAMBDA),
    "http api request": Price(1.00 / MILLION, "request of up to 512 KB", "aws.amazon.com/api-gateway/pricing"),
    "sqs fifo request": Price(0.50 / MILLION, "request of up to 64 KB", "aws.amazon.com/sqs/pricing"),
    "sqs request": Price(0.40 / MILLION, "request of up to 64 KB", "aws.amazon.com/sqs/pricing"),
    "event": Price(1.00 / MILLION, "event of up to 64 KB", "aws.amazon.com/eventbridge/pricing"),
    "event archived": Price(0.10, "GB archived", "aws.amazon.com/eventbridge/pricing"),
    "schedule": Price(1.00 / MILLION, "invocation", "aws.amazon.com/eventbridge/pricing"),
    "secret": Price(0.40, "secret and month", "aws.amazon.com/secrets-manager/pricing"),
    "secret read": Price(0.05 / 10_000, "call", "aws.amazon.com/secrets-manager/pricing"),
    "log gb": Price(0.50, "GB taken in", CLOUDWATCH),
    "log kept": Price(0.03, "GB and month, packed to about a fifth", CLOUDWATCH),
    "metric": Price(0.30, "metric and month", CLOUDWATCH),
    "alarm": Price(0.10, "metric of an alarm and month", CLOUDWATCH),
    "dashboard": Price(3.00, "dashboard and month", CLOUDWATCH),
    "trace": Price(5.00 / MILLION, "trace recorded", "aws.amazon.com/xray/pricing"),
    "nat hour": Price(0.045, "hour of a gateway", VPC),
    "nat gb": Price(0.045, "GB through it", VPC),
    "endpoint hour": Price(0.01, "hour of an interface endpoint in one zone", "aws.amazon.com/privatelink/pricing"),
    "transfer gb": Price(0.09, "GB out to the internet", "aws.amazon.com/ec2/pricing/on-demand"),
    "file gb": Price(0.023, "GB and month in S3", "aws.amazon.com/s3/pricing"),
    "file put": Price(0.005 / 1_000, "PUT", "aws.amazon.com/s3/pricing"),
    "database gb": Price(0.115, "GB and month of gp3 in one zone; twice that in two", RDS),
    "proxy vcpu hour": Price(0.015, "hour of a vCPU of the database, two at least", "aws.amazon.com/rds/proxy/pricing"),
}


@dataclass(frozen=True)
class Instance:
    """A size of database: vCPUs, GB of memory, dollars an hour in one zone (twice that in two)."""

    vcpus: int
    memory_gb: int
    hour: float

    @property
    def connections(self) -> int:
        """`max_connections` as RDS sets it: memory by 9,531,392 bytes, 5,000 at most."""
        return min(5000, self.memory_gb * 1024**3 // 9_531_392)


INSTANCES = {
    "db.t4g.medium": Instance(2, 4, 0.065),
    "db.m7g.large": Instance(2, 8, 0.168),
    "db.m7g.2xlarge": Instance(8, 32, 0.674),
}
