"""API Gateway events in -> the application's answers out; what AWS Lambda calls.

Everything slow happens once, while this module is imported. Nothing here opens a socket, starts a thread or draws a
random number, so that a snapshot of the process may be taken and restored any number of times (SnapStart).
"""

import gc

gc.disable()  # nothing imported here becomes garbage: looking for it costs a tenth of the start

from pydantic import BaseModel  # noqa: E402  after the line above

# FastAPI describes all of OpenAPI in models that only /docs needs; built on first use, they cost the start nothing.
BaseModel.model_config["defer_build"] = True
import fastapi  # noqa: E402, F401  imported while schemas are deferred

del BaseModel.model_config["defer_build"]

from mangum import Mangum  # noqa: E402  after the line above

from lambda_api.app import start  # noqa: E402  after the line above

app = start()
handler = Mangum(app, lifespan="off")


def before_snapshot() -> None:
    """Answer once more, so that the snapshot holds a warm session, and let nothing be collected ever after."""
    app.state.service.example()
    gc.freeze()


def after_restore() -> None:
    """The next answer is the first one of a restored process."""
    app.state.telemetry.restored()


try:
    from snapshot_restore_py import register_after_restore, register_before_snapshot
except ImportError:  # Lambda's runtime brings it; outside of Lambda there are no snapshots
    pass
else:
    register_before_snapshot(before_snapshot)
    register_after_restore(after_restore)

gc.enable()
gc.freeze()
# A batch makes some thousand objects and no cycles: looking for them again and again costs a third of its time.
gc.set_threshold(50_000, 20, 20)
