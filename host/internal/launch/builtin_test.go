package launch

import (
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

// withBuiltin makes plugins part of this program, of which faulty runs here and outside
// needs a process of its own. Their program is that of the plugin faulty.
func withBuiltin(t *testing.T) {
	t.Helper()
	program := faulty(t).Command[0]
	named := func(name, more string) func() (*sdk.Plugin, error) {
		return func() (*sdk.Plugin, error) {
			return sdk.ModelPlugin("name = \""+name+"\"\nversion = \"1\"\nrole = \"model\"\nsummary = \"s\"\n"+more, nil)
		}
	}
	Builtin(map[string]func() (*sdk.Plugin, error){
		"faulty": named("faulty", ""), "outside": named("outside", "external = true"), "broken": named("Broken", ""),
	}, func() (string, error) { return program, nil })
	t.Cleanup(func() { builtin.plugins = nil })
}

// A built-in plugin is found where the path has none of its name, and is a process that
// is told which plugin to serve.
func TestBuiltinIsAProcess(t *testing.T) {
	withBuiltin(t)
	found, err := Path{t.TempDir()}.Find("faulty")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found.Command[1:], " "); got != "plugin faulty" || sumOfProgram(t, found) != sumOfProgram(t, faulty(t)) {
		t.Errorf("got %+v", found)
	}
	p := begin(t, found, Options{})
	if m := configure(t, p, "", limit); forecast(t, t.Context(), m, 1) != nil {
		t.Error("the built-in plugin does not answer")
	}
}

func TestPathComesBeforeBuiltin(t *testing.T) {
	withBuiltin(t)
	path := Path{bin(t)}
	if p, err := path.Find("faulty"); err != nil || len(p.Command) != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
	if got := strings.Join(path.List(), " "); got != "broken faulty outside raw" {
		t.Errorf("got %s", got)
	}
	if _, err := path.Find("outsid"); err == nil || !strings.Contains(err.Error(), "and in plume itself; did you mean \"outside\"?") {
		t.Errorf("got %v", err)
	}
}

// What runs in this process is built in and needs nothing from outside.
func TestInProcess(t *testing.T) {
	withBuiltin(t)
	if p, err := InProcess("faulty"); err != nil || p == nil || p.linked == nil || len(p.Command) != 1 || sumOfProgram(t, p) != sumOfProgram(t, faulty(t)) {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, name := range []string{"outside", "raw"} {
		if p, err := InProcess(name); p != nil || err != nil {
			t.Errorf("%s: got %+v, %v, want a process of its own", name, p, err)
		}
	}
	if p, err := InProcess("broken"); p != nil || err == nil {
		t.Errorf("got %+v, %v", p, err)
	}
}
