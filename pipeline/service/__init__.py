"""From the champion to Lambda's own runtime on this machine: package, bundle, emulate, a gateway in front."""
