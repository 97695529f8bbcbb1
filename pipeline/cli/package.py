"""The commands around the service: package a model, build the Lambda function, run it in Lambda's own runtime."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import out
from pipeline.errors import InputError

app = typer.Typer()

Named = Annotated[Path, typer.Option("--params", help="The parameters.")]
Emptied = Annotated[Path, typer.Argument(help="Emptied and filled.")]
Packaged = Annotated[Path | None, typer.Option(help="A packaged model. Default: the champion, packaged now.")]
BUILT = Path(".aws-sam/build/ApiFunction")


@app.command()
def package(
    version: Annotated[str, typer.Option(help="A version's number or alias.")] = "champion",
    source: Annotated[Path | None, typer.Option("--from", help="A finished layout instead of the registry.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where to.")] = Path("build/model"),
    or_sample: Annotated[
        bool, typer.Option("--or-sample", help="Without a champion, train on the embedded sample and say so.")
    ] = False,
    params: Named = Path("params.yaml"),
) -> None:
    """Put the champion and its manifest where the service finds them.

    Writes build/model/model.onnx and manifest.json.
    """
    from pipeline import params as parameters
    from pipeline.files import Layout
    from pipeline.registry import Registry
    from pipeline.ship import package as maker

    loaded = parameters.load(params)
    if source is not None:
        manifest = maker.package_layout(Layout(source), folder)
    elif or_sample and Registry().champion(loaded.registry.model_name) is None:
        out.print("No champion is registered (`make run` makes one): taking a model trained on the invented SAMPLE")
        manifest = maker.package_layout(maker.sample_layout(loaded), folder)
    else:
        manifest = maker.package_registered(Registry(), loaded.registry.model_name, version, folder)
    out.print(
        f"{folder}: model {manifest.model_version}, trained on {manifest.source} data, "
        f"SHA-256 {manifest.model_sha256[:16]}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def bundle(
    folder: Emptied,
    model: Packaged = None,
    arch: Annotated[str, typer.Option(help="x86_64 or arm64.")] = "x86_64",
) -> None:
    """Build the folder that Lambda unpacks.

    `sam build` calls this; `make package` calls that. What the package weighs and what a prediction by it costs goes to
    build/package.json, for `pipeline report`.
    """
    model = model or _champion_packaged()
    from pipeline.files import file_digest, write_json
    from pipeline.report.snapshot import PACKAGE
    from pipeline.ship import bundle as builder
    from pipeline.ship import cost as costs
    from pipeline.ship import speed as prediction

    if arch not in builder.PLATFORMS:
        raise InputError(f"--arch: got {arch!r}, expected one of {', '.join(builder.PLATFORMS)}")
    prices = costs.load()
    built = builder.build(folder, model, arch)
    taken = prediction.measure(model)
    cost = prediction.cost(taken, built.arch, prices)
    facts = {
        "arch": built.arch,
        "model_sha256": file_digest(model / "model.onnx"),
        "prediction_ms": round(taken.milliseconds, 3),
        "unzipped_bytes": built.unzipped,
        "usd_per_million": round(cost.total, 2),
        "usd_per_million_lambda": round(cost.compute, 2),
        "zipped_bytes": built.zipped,
    }
    write_json(Path(PACKAGE), facts)
    out.print(
        f"{built.arch}: {built.unzipped / 1e6:.1f} MB unzipped, {built.zipped / 1e6:.1f} MB zipped, "
        f"SHA-256 {built.sha256[:16]}; a prediction takes {taken.milliseconds:.2f} ms here, a million cost "
        f"${cost.total:.2f} in {prices.region}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def bundle_hook(folder: Emptied, model: Packaged = None) -> None:
    """Build the folder of the hook that judges a new version.

    `sam build` calls this. The hook asks the new version for its golden answers before it gets traffic.
    """
    from pipeline.ship import bundle as builder

    builder.build_hook(folder, model or _champion_packaged())


def _champion_packaged() -> Path:
    """The champion, packaged just now: `sam build` alone must never ship the model of an earlier package."""
    from pipeline import params as parameters
    from pipeline.registry import Registry
    from pipeline.ship import package as maker

    name = parameters.load().registry.model_name
    manifest = maker.package_registered(Registry(), name)
    out.print(f"{maker.MODEL_FOLDER}: the champion, model {manifest.model_version}", highlight=False, soft_wrap=True)
    return maker.MODEL_FOLDER


@app.command()
def emulate(
    folder: Annotated[Path, typer.Argument(help="A built function.")] = BUILT,
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1.")] = 3000,
) -> None:
    """Serve a built function in Lambda's own runtime.

    AWS's runtime emulator behind a small HTTP gateway; one request at a time.
    """
    from pipeline.ship import emulate as emulator
    from pipeline.ship import gateway

    with emulator.emulated(folder, emulator.template_environment()) as function:
        try:
            listening = gateway.server(function.invoke, port)
        except OSError as error:
            raise InputError(f"port {port}: {error.strerror}: choose another with PORT=...") from None
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped either way, the runtime must not be left
        out.print(f"Lambda's runtime answers on http://127.0.0.1:{port} (/ui, /docs); Ctrl-C stops it", highlight=False)
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            out.print("stopped")
        finally:
            listening.server_close()


@app.command()
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if it is stale.")] = False,
) -> None:
    """Write docs/openapi.json from the code.

    What the service promises its clients.
    """
    from pipeline.ship import package as maker

    if not check:
        maker.write_openapi()
        out.print(f"wrote {maker.OPENAPI}")
    elif maker.openapi() != maker.committed_openapi():
        raise InputError(f"{maker.OPENAPI} is stale: make it again with `pipeline openapi`")
