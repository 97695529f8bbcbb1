"""Result files -> what people read: figures, the model card, what changed since a commit. Nothing is trained here."""
