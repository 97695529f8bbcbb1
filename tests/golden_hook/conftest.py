"""The packaged small model and the built function, as the service's own tests have them."""

from tests.lambda_api.conftest import built, model_dir, service, tools

__all__ = ["built", "model_dir", "service", "tools"]
