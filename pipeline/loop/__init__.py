"""All steps in their order -> a champion, on a laptop (`retrain`) and on a runner (`ci`, `watch`)."""
