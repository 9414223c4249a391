package sdk

import (
	"strings"
	"testing"
)

// A number may be left to the plugin by the word auto where the manifest says so, and
// only there; the word stays a word until it is decoded.
func TestAuto(t *testing.T) {
	const head = "name = \"p\"\nversion = \"1\"\nrole = \"filter\"\nsummary = \"s\"\n[[param]]\nname = \"width\"\ndoc = \"d\"\n"
	m, err := ParseManifest(head + "type = \"float\"\nauto = true\nabove = 0.0\ndefault = \"auto\"\n")
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Width float64 `param:"width"`
	}
	for _, tt := range []struct {
		given map[string]any
		auto  bool
		want  float64
	}{{nil, true, 0}, {map[string]any{"width": "auto"}, true, 0}, {map[string]any{"width": 2.5}, false, 2.5}} {
		p, err := m.Resolve(tt.given)
		if err != nil {
			t.Fatal(err)
		}
		if tt.auto && p["width"] != "auto" {
			t.Errorf("%v resolves to %v, want the word, which can be written down", tt.given, p["width"])
		}
		p.Decode(&decoded)
		if IsAuto(decoded.Width) != tt.auto || !tt.auto && decoded.Width != tt.want {
			t.Errorf("%v: got %g", tt.given, decoded.Width)
		}
	}
	for _, bad := range []any{"Auto", 0.0, "1"} {
		if _, err := m.Resolve(map[string]any{"width": bad}); err == nil || !strings.Contains(err.Error(), `must be "auto" or a number > 0, but is`) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	plain, err := ParseManifest(head + "type = \"float\"\ndefault = 1.0\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Resolve(map[string]any{"width": "auto"}); err == nil || !strings.Contains(err.Error(), "must be a number, but is the string") {
		t.Errorf("auto where it is not allowed: %v", err)
	}
	if _, err := ParseManifest(head + "type = \"int\"\nauto = true\ndefault = 1\n"); err == nil || !strings.Contains(err.Error(), "auto is for type float, not int") {
		t.Errorf("auto for an integer: %v", err)
	}
}
