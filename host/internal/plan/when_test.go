package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

const lake = `
name = "lake"
version = "1"
role = "model"
summary = "a lake"

[[param]]
name = "scheme"
type = "string"
default = "explicit"
choices = ["explicit", "implicit"]
doc = "of the integration"

[[param]]
name = "tolerance"
type = "float"
default = 0.1
when = { scheme = ["implicit"] }
doc = "of a step"
`

const twin = `
format = 1
[experiment]
name = "twin"
seed = 1
[time]
cycles = 2
interval = 1.0
[model]
plugin = "lake"
params = { scheme = "implicit", tolerance = 0.2 }
[truth]
init = [1.0]
params = { }
[observations]
plugin = "gauge"
error = { sd = 1.0 }
[ensemble]
size = 4
init = { dist = "normal", mean = 0.0, sd = 1.0 }
[[filter]]
label = "f"
plugin = "nudge"
`

// errAccepted is what the operator answers, which is configured when the parameters of model
// and truth have been accepted.
var errAccepted = errors.New("accepted")

func openLake(t *testing.T) Open {
	t.Helper()
	plugins := map[string]*sdk.Plugin{}
	for _, text := range []string{lake, "name = \"gauge\"\nversion = \"1\"\nrole = \"operator\"\nsummary = \"a gauge\"\nerrors = [\"normal\"]\n",
		"name = \"nudge\"\nversion = \"1\"\nrole = \"filter\"\nsummary = \"a nudge\"\n"} {
		m, err := sdk.ParseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		plugins[m.Name] = &sdk.Plugin{
			Manifest:    m,
			NewModel:    func(context.Context, sdk.ModelConfig) (sdk.Model, error) { return still{}, nil },
			NewOperator: func(context.Context, sdk.OperatorConfig) (sdk.ObservationOperator, error) { return nil, errAccepted },
		}
	}
	return func(_ context.Context, c workflow.Component, _ Replication) (*sdk.Plugin, error) {
		if p := plugins[c.Plugin]; p != nil {
			return p, nil
		}
		return nil, errors.New("there is no such plugin")
	}
}

// A parameter that does not apply is found where it is written, also when the truth has it
// from the model, or a sweep sets what it depends on. At its default it may stand anywhere.
func TestWhen(t *testing.T) {
	accepted := []string{string(codeConfigure)}
	for name, tt := range map[string]struct {
		changes []string // texts and those in their place, in turns
		want    []string // codes, lines and beginnings of what is found
	}{
		"applies":                {nil, accepted},
		"does not apply":         {[]string{`"implicit", `, `"explicit", `}, []string{"E311 11 `tolerance` applies only with scheme = \"implicit\", but scheme is \"explicit\""}},
		"by default":             {[]string{`scheme = "implicit", `, ``}, []string{"E311 11 `tolerance` applies only with scheme = \"implicit\", but scheme is by default \"explicit\""}},
		"at its default":         {[]string{`"implicit", tolerance = 0.2`, `"explicit", tolerance = 0.1`}, accepted},
		"in the truth":           {[]string{`"implicit", tolerance = 0.2`, `"explicit"`, `params = { }`, `params = { tolerance = 0.3 }`}, []string{"E311 14 `tolerance` applies only"}},
		"in the truth as well":   {[]string{`params = { }`, `params = { tolerance = 0.3 }`}, accepted},
		"inherited by the truth": {[]string{`params = { }`, `params = { scheme = "explicit" }`}, []string{"E311 14 `tolerance` applies only with scheme = \"implicit\", but scheme is \"explicit\""}},
		"not inherited":          {[]string{`params = { }`, `params = { scheme = "explicit", tolerance = 0.1 }`}, accepted},
		"swept": {[]string{`[experiment]`, "[sweep.axes]\n\"model.params.scheme\" = [\"implicit\", \"explicit\"]\n[experiment]"},
			[]string{"E311 13 `tolerance`", string(codeConfigure)}},
		"left out": {[]string{`[experiment]`, "[sweep]\nexclude = [{ \"model.params.scheme\" = \"explicit\", \"model.params.tolerance\" = 0.2 }]\n[sweep.axes]\n" +
			"\"model.params.scheme\" = [\"implicit\", \"explicit\"]\n\"model.params.tolerance\" = [0.1, 0.2]\n[experiment]"}, accepted},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "twin.toml")
			text := strings.NewReplacer(tt.changes...).Replace(twin)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w, found := workflow.Load(path, workflow.Options{})
			if len(found) == 0 {
				_, found = Make(t.Context(), w, openLake(t), observations.Known{})
			}
			var got []string
			for _, d := range found {
				got = append(got, string(d.Code)+" "+strings.Split(d.Where(), ":")[1]+" "+d.Message)
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
