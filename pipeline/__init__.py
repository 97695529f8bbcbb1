"""From a CSV to a judged, exactly exported model: one module for each step of the flow."""
