"""A new version of the service -> CodeDeploy's permission to send it requests, or the reasons why not.

Runs on AWS before the new version gets any traffic, and compares its answers with the golden ones.
"""
