package pattern

import (
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	s, err := New([]string{"", "NA", "-9999", "/", "////", `/.*\*/`, "/[Ii]ce( .*)?/", "/a|b/", "fehlt f\u00fcr", "/gro\u00df e\u0301.*/", strings.Repeat("x", 70)})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"": true, "NA": true, "-9999": true, "/": true, "////": true, "57.1*": true, "*": true, "Ice": true, "ice below": true, "a": true, "b": true, "fehlt f\u00fcr": true, "fehlt fu\u0308r": true, "gro\u00df \u00e9t\u00e9": true, strings.Repeat("x", 70): true, "line\nbreak*": true,
		"N": false, "NAN": false, "57.1": false, "57.1*C": false, "no ice": false, "icecap": false, "ab": false, "//": false, "xxxxxx": false, "-9999.0": false,
	} {
		if got := s.Has(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for _, item := range []string{"/[/", "/a)(b/"} {
		if _, err := New([]string{item}); err == nil {
			t.Errorf("%s is taken for an expression", item)
		}
	}
	if none, err := New(nil); err != nil || none.Has("") {
		t.Errorf("an empty list: %v, has a text", err)
	}
}
