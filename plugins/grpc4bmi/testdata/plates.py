"""Models with the Basic Model Interface, for the tests."""
import numpy as np


class Plate:
    """A plate that is warmed from below, by what no variable shows."""

    shape = (2, 3)

    def initialize(self, config):
        self.temperature, self.below = np.zeros(self.shape), np.full(self.shape, 1.0)
        self.tau, self.kind, self.gain = np.array([5.0]), np.array([1], dtype="int32"), np.array([0.5], dtype="float32")
        self.time = 0.0
        self.values = {
            "plate__temperature": self.temperature, "below": self.below, "tau": self.tau, "kind": self.kind, "gain": self.gain,
        }
        if config:
            self.below[:] = float(open(config).read())

    def finalize(self):
        pass

    def update(self):
        self.temperature += self.gain[0] * self.below * self.kind[0]
        self.below -= 0.5 * self.temperature / self.tau[0]
        self.time += 1800.0
        if np.any(self.temperature > 1e6):
            raise ValueError("the plate has melted")

    get_component_name = lambda self: "plate"
    get_output_var_names = lambda self: ("plate__temperature", "below")
    get_input_var_names = lambda self: ("plate__temperature", "tau", "kind", "gain")
    get_var_units = lambda self, name: "K" if name == "plate__temperature" else "-"
    get_var_type = lambda self, name: str(self.values[name].dtype)
    get_var_itemsize = lambda self, name: self.values[name].itemsize
    get_var_nbytes = lambda self, name: self.values[name].nbytes
    get_var_grid = lambda self, name: 0
    get_grid_rank = lambda self, grid: 2
    get_grid_type = lambda self, grid: "uniform_rectilinear"
    get_grid_shape = lambda self, grid, into: filled(into, self.shape)
    get_grid_spacing = lambda self, grid, into: filled(into, (2.0, 1.0))
    get_grid_origin = lambda self, grid, into: filled(into, (0.0, 10.0))
    get_time_step = lambda self: 1800.0
    get_time_units = lambda self: "seconds since 1970-01-01"

    def get_value(self, name, into):
        return filled(into, self.values[name].ravel())

    def set_value(self, name, values):
        self.values[name][:] = values.reshape(self.values[name].shape)


class Stubborn(Plate):
    """A plate that cannot be initialised twice."""

    tried = False

    def initialize(self, config):
        if self.tried:
            raise RuntimeError("was initialised before")
        self.tried = True
        super().initialize(config)


class Ring(Plate):
    """A plate whose values have positions of their own."""

    get_grid_type = lambda self, grid: "unstructured"
    get_grid_size = lambda self, grid: 6
    get_grid_x = lambda self, grid, into: filled(into, np.cos(np.arange(6)))
    get_grid_y = lambda self, grid, into: filled(into, np.sin(np.arange(6)))

    def get_grid_shape(self, grid, into):
        raise NotImplementedError


class Table(Plate):
    """A plate with lines that are not equally far from each other."""

    get_grid_type = lambda self, grid: "rectilinear"
    get_grid_x = lambda self, grid, into: filled(into, (0.0, 1.0, 3.0))
    get_grid_y = lambda self, grid, into: filled(into, (5.0, 7.0))

    def get_time_units(self):
        return "fortnights"


class Loose(Plate):
    """A plate whose types have the names that Python has for them."""

    get_var_type = lambda self, name: {"f": "float", "i": "int"}[self.values[name].dtype.kind]


def filled(into, values):
    into[:] = values
    return into
