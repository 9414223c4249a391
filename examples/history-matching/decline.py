"""The decline of a well (Arps 1945) as the model of an UM-Bridge server: decline.py [PORT].

The rate after t months is q / (1 + b d t)^(1/b), of the logarithms of q and d and the log-odds of b."""
import math
import sys

MONTHS = range(1, 37, 2)


def rates(log_q, log_d, odds):
    """Returns the logarithm of the rate in each of the months that are observed."""
    d, b = math.exp(log_d), 1 / (1 + math.exp(-odds))
    return [log_q - math.log1p(b * d * t) / b for t in MONTHS]


def serve(port):
    import umbridge

    class Decline(umbridge.Model):
        def __init__(self):
            super().__init__("decline")

        def get_input_sizes(self, config):
            return [3]

        def get_output_sizes(self, config):
            return [len(MONTHS)]

        def __call__(self, inputs, config):
            return [rates(*inputs[0])]

        def supports_evaluate(self):
            return True

    umbridge.serve_models([Decline()], port=port)


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else 4243)
