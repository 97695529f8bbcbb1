"""AWS's quotas: what a new account gets, as values for the simulation and as the table of docs/scale.md."""

from dataclasses import dataclass

from pipeline.report.markdown import table


@dataclass(frozen=True)
class Quotas:
    """What a new account is given, per region.

    Attributes:
        concurrency: Requests in work at the same time.
            https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        new: Environments that may start at once, refilled within `refill` seconds.
            https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
        refill: Seconds.
        a_second: Requests a second for each unit of `concurrency`, taken together: AWS counts the sum, not what one
            environment does. The same for each environment that is always ready.
            https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
        gateway: Requests a second that API Gateway lets through.
            https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        burst: Requests above that it lets through at once; AWS sets it, 5,000 is what accounts report.
    """

    concurrency: int = 1_000
    new: int = 1_000
    refill: float = 10.0
    a_second: int = 10
    gateway: float = 10_000.0
    burst: float = 5_000.0


NEW = Quotas()
"""What a new account is given."""

_LAMBDA, _GATEWAY = "https://docs.aws.amazon.com/lambda/latest/dg", "https://docs.aws.amazon.com/apigateway/latest"

LIMITS: tuple[tuple[str, str, str, str], ...] = (
    (
        "requests in work at once, all functions of a region",
        f"{NEW.concurrency:,} (less for a very new account)",
        "yes",
        f"{_LAMBDA}/gettingstarted-limits.html",
    ),
    (
        "requests a second, for each unit of the above",
        f"{NEW.a_second}",
        "with the above",
        f"{_LAMBDA}/lambda-concurrency.html",
    ),
    (
        "requests a second, for each environment kept ready",
        f"{NEW.a_second}, then others start",
        "no",
        f"{_LAMBDA}/gettingstarted-limits.html",
    ),
    (
        "new environments, for each function",
        f"{NEW.new:,} within {NEW.refill:.0f} s",
        "not said",
        f"{_LAMBDA}/scaling-behavior.html",
    ),
    (
        "requests a second through API Gateway, all APIs of a region",
        f"{NEW.gateway:,.0f} (2,500 in some regions), and a burst",
        "yes, but not the burst",
        f"{_GATEWAY}/developerguide/limits.html",
    ),
    ("an HTTP API waits for its function", "30 s", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("a body through an HTTP API", "10 MB", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("an event into a function, and its answer", "6 MB each", "no", f"{_LAMBDA}/API_Invoke.html"),
)
"""What, how much by default, whether AWS raises it, and where it says so; looked up in copies of November 2026."""


def quota_table() -> str:
    """Each quota, its default, whether it can be raised, and where AWS says so."""
    rows = [[what, much, raised, f"[AWS]({place})"] for what, much, raised, place in LIMITS]
    return table(("quota", "by default", "raised on request", "source"), rows, left=4)
