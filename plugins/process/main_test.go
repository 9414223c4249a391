package process

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_PLUGIN") != "" {
		pluginToBeKilled()
	}
	if habit := os.Getenv("PROCESS_TEST_SERVER"); habit != "" {
		serveForTests(habit)
		return
	}
	os.Exit(m.Run())
}

type params = map[string]any

// scalars is the part of a configuration that most tests share.
func scalars(more params) params {
	p := params{"variables": []string{"x", "y"}}
	for k, v := range more {
		p[k] = v
	}
	return p
}

// shell is the command that runs a script.
func shell(script string) []string { return []string{"sh", "-c", script} }

// configure returns the model with its files below a directory of the test.
func configure(t testing.TB, p params) (*model, error) {
	t.Helper()
	dir := t.TempDir()
	if _, given := p["work_dir"]; !given {
		p["work_dir"] = filepath.Join(dir, "work")
	}
	return configureIn(dir, p)
}

func configureIn(dir string, p params) (*model, error) {
	plugin, err := Plugin()
	if err != nil {
		return nil, err
	}
	m, err := plugin.NewModel(context.Background(), sdk.ModelConfig{Params: p, Dir: dir})
	if err != nil {
		return nil, err
	}
	return m.(*model), nil
}

func configured(t testing.TB, p params) *model {
	t.Helper()
	m, err := configure(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// request asks for a forecast of rows members from time 1 to 1.5.
func request(m *model, rows int) *sdk.ForecastRequest {
	n := m.layout.Size()
	r := &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 7, Seed: rng.New(1)}.From(40), From: 1, To: 1.5,
		Ensemble: mat.NewDense(rows, n, nil), Into: mat.NewDense(rows, n, nil),
	}
	source := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		for j := range n {
			r.Ensemble.Set(i, j, source.NormFloat64()*1e3)
		}
	}
	return r
}

// left lists the files that are left below the working directory of m.
func left(t testing.TB, m *model) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(m.WorkDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found[filepath.Base(filepath.Dir(path))+"/"+d.Name()] = path
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
