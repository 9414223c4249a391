package launch

import (
	"strings"
	"testing"
)

// A script without plume's kit, or with the project that is called plume on PyPI, is told
// the name of the kit.
func TestMissingPackage(t *testing.T) {
	for line, want := range map[string]string{
		"ModuleNotFoundError: No module named 'plume'":                                      "plume-da (the package plume",
		"ImportError: cannot import name 'Model' from 'plume' (/usr/lib/plume/__init__.py)": "plume-da (the package plume",
		"ModuleNotFoundError: No module named 'numpy'":                                      "it",
		"ModuleNotFoundError: No module named 'plumed'":                                     "it",
		"ImportError: cannot import name 'zeros' from 'numpy' (/usr/lib/numpy/__init__.py)": "",
		"ValueError: No module named 'plume'":                                               "",
	} {
		if got := missingPackage(line); got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
