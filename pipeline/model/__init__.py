"""Records -> one exact graph and its figures. The graph answers as the fitted Pipeline does, or no graph is written."""
