package sdk

import (
	"strings"
	"testing"
)

func TestDeclaredParameters(t *testing.T) {
	m := parse(t, sound+`
[[param]]
name     = "parameters"
type     = "strings"
default  = ["deep = 3"]
declares = true
doc      = "of the program"
`)
	for text, want := range map[string]float64{"k=1": 1, " rate_2 = -2.5e-3 ": -2.5e-3} {
		given := map[string]any{"parameters": []any{text}}
		wide, err := m.With(given)
		if err != nil {
			t.Fatal(err)
		}
		p := wide.Params[len(wide.Params)-1]
		if p.Default != want || !p.PerMember || p.Type != Float || wide.checkPerMember([]string{p.Name}) != nil || m.Param(p.Name) != nil {
			t.Errorf("%s: got %+v", text, p)
		}
	}
	if wide, err := m.With(nil); err != nil || wide.Param("deep") == nil {
		t.Errorf("the default declares %+v, %v", wide.Params, err)
	}
	for text, want := range map[string]string{
		"k": "NAME = NUMBER", "K = 1": "NAME = NUMBER", "k = one": "NAME = NUMBER", "k = nan": "NAME = NUMBER", "k = inf": "NAME = NUMBER", "= 1": "NAME = NUMBER",
		"k = 1 m": "NAME = NUMBER",
	} {
		if _, err := m.Param("parameters").Check([]any{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	for _, items := range [][]any{{"area = 1"}, {"k = 1", "k = 2"}} {
		if _, err := m.With(map[string]any{"parameters": items}); KindOf(err) != KindConfig {
			t.Errorf("%v: got %v", items, err)
		}
	}
}
