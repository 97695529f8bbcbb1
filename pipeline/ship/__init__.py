"""The champion -> an HTTPS API on AWS that users call.

The model is packaged, run on this machine in Lambda's own runtime, deployed by canary, and rolled back.
"""
