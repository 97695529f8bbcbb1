"""`pipeline package | bundle | bundle-hook | emulate | openapi`: a model becomes a Lambda function that runs here."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import out
from pipeline.cli.options import DEFAULT_PARAMS, ParamsFile, load_params
from pipeline.errors import InputError

app = typer.Typer()

OutputFolder = Annotated[Path, typer.Argument(help="Where to; its content is removed first.")]
PackagedModel = Annotated[Path | None, typer.Option(help="A packaged model. Default: the champion, packaged now.")]
BUILT = Path(".aws-sam/build/ApiFunction")


@app.command()
def package(
    version: Annotated[str, typer.Option(help="A version's number or alias.")] = "champion",
    source: Annotated[Path | None, typer.Option("--from", help="A finished layout instead of the registry.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where to.")] = Path("build/model"),
    or_sample: Annotated[
        bool, typer.Option("--or-sample", help="Without a champion, train on the embedded sample and say so.")
    ] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Package the champion for the service.

    Writes model.onnx, manifest.json and golden.json to build/model, where the service looks for them.
    """
    from pipeline.files import Layout
    from pipeline.registry import Registry
    from pipeline.ship.package import package_layout, package_registered, sample_layout

    parameters = load_params(params)
    name = parameters.registry.model_name
    if source is not None:
        manifest = package_layout(Layout(source), folder)
    elif or_sample and Registry().champion(name) is None:
        out.print("No champion is registered (`make run` makes one): packaging a model trained on the synthetic sample")
        manifest = package_layout(sample_layout(parameters), folder)
    else:
        manifest = package_registered(Registry(), name, version, folder)
    out.print(
        f"{folder}: model {manifest.model_version}, trained on {manifest.source} data, "
        f"SHA-256 {manifest.model_sha256[:16]}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def bundle(
    folder: OutputFolder,
    model: PackagedModel = None,
    arch: Annotated[str, typer.Option(help="x86_64 or arm64.")] = "x86_64",
) -> None:
    """Build the folder that Lambda unpacks.

    `make package` calls `sam build`, which calls this. Writes the size of the package and the cost of a prediction to
    build/package.json, for `pipeline report`.
    """
    model = model or _package_champion()
    from pipeline.files import file_digest, write_json
    from pipeline.report.snapshot import PACKAGE
    from pipeline.ship.bundle import PLATFORMS, build_function
    from pipeline.ship.cost import load as load_prices
    from pipeline.ship.speed import cost as prediction_cost
    from pipeline.ship.speed import measure

    if arch not in PLATFORMS:
        raise InputError(f"--arch: got {arch!r}, expected one of {', '.join(PLATFORMS)}")
    prices = load_prices()
    built = build_function(folder, model, arch)
    prediction = measure(model)
    cost = prediction_cost(prediction, built.arch, prices)
    facts = {
        "arch": built.arch,
        "model_sha256": file_digest(model / "model.onnx"),
        "prediction_ms": round(prediction.milliseconds, 3),
        "unzipped_bytes": built.unzipped,
        "usd_per_million": round(cost.total, 2),
        "usd_per_million_lambda": round(cost.compute, 2),
        "zipped_bytes": built.zipped,
    }
    write_json(Path(PACKAGE), facts)
    out.print(
        f"{built.arch}: {built.unzipped / 1e6:.1f} MB unzipped, {built.zipped / 1e6:.1f} MB zipped, "
        f"SHA-256 {built.sha256[:16]}; a prediction takes {prediction.milliseconds:.2f} ms here, a million "
        f"of them costs ${cost.total:.2f} in {prices.region}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def bundle_hook(folder: OutputFolder, model: PackagedModel = None) -> None:
    """Build the folder of the hook that judges a new version.

    `sam build` calls this. The hook asks the new version for its golden answers before it gets requests.
    """
    from pipeline.ship.bundle import build_hook

    build_hook(folder, model or _package_champion())


def _package_champion() -> Path:
    """Package the champion; its folder. So `sam build` alone never ships the model of an earlier package."""
    from pipeline.registry import Registry
    from pipeline.ship.package import MODEL_FOLDER, package_registered

    manifest = package_registered(Registry(), load_params().registry.model_name)
    out.print(f"{MODEL_FOLDER}: the champion, model {manifest.model_version}", highlight=False, soft_wrap=True)
    return MODEL_FOLDER


@app.command()
def emulate(
    folder: Annotated[Path, typer.Argument(help="A built function.")] = BUILT,
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1.")] = 3000,
) -> None:
    """Serve a built function in Lambda's own runtime.

    Runs AWS's runtime emulator behind a small HTTP gateway; one request at a time.
    """
    from pipeline.ship import gateway
    from pipeline.ship.emulate import emulated, template_environment

    with emulated(folder, template_environment()) as function:
        try:
            server = gateway.server(function.invoke, port)
        except OSError as error:
            raise InputError(f"port {port}: {error.strerror}: choose another port with PORT=...") from None
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM must end the runtime as well
        out.print(f"Lambda's runtime answers on http://127.0.0.1:{port} (/ui, /docs); Ctrl-C stops it", highlight=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("stopped")
        finally:
            server.server_close()


@app.command()
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if it is stale.")] = False,
) -> None:
    """Write docs/openapi.json from the code.

    It holds what the service promises its clients.
    """
    from pipeline.ship.package import OPENAPI, committed_openapi, write_openapi
    from pipeline.ship.package import openapi as generate_openapi

    if not check:
        write_openapi()
        out.print(f"wrote {OPENAPI}")
    elif generate_openapi() != committed_openapi():
        raise InputError(f"{OPENAPI} differs from the code: write it again with `pipeline openapi`")
