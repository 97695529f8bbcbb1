"""The champion -> users. It is packaged, run in Lambda's own runtime here, deployed by canary, and taken back."""
