"""The model on UM-Bridge's own server: server.py PORT."""
import os
import sys

import numpy as np
import umbridge

import lorenz96


class Lorenz96(umbridge.Model):
    def __init__(self):
        super().__init__("lorenz96")

    def get_input_sizes(self, config):
        return [lorenz96.VALUES]

    def get_output_sizes(self, config):
        return [lorenz96.VALUES]

    def __call__(self, inputs, config):
        return [lorenz96.step(np.array(inputs[0])).tolist()]

    def supports_evaluate(self):
        return True


umbridge.serve_models([Lorenz96()], port=int(sys.argv[1]), max_workers=os.cpu_count())
