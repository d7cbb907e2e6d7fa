"""What an intake has received: payloads that are stored, processed later, and deleted after a while."""
