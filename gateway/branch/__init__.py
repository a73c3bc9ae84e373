"""What a bank's branch shows an enterprise that stands at its counter: the request, as a QR code."""
