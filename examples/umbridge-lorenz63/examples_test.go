// Package umbridgelorenz63 runs the workflows beside it, one of them with a real
// UM-Bridge server, and compares what they give.
package umbridgelorenz63

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/examples/internal/examplestest"
	"github.com/plume-da/plume/sdk/plugintest"
	"github.com/plume-da/plume/sdk/rpc"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// run runs a workflow and returns the true trajectory and the analysis ensembles.
func run(t *testing.T, workflow string, set ...string) map[string][]float64 {
	t.Helper()
	var args []string
	for _, s := range set {
		args = append(args, "--set", s)
	}
	dir := examplestest.Run(t, plume, workflow, args...)
	all := map[string][]float64{}
	for what, part := range map[string]string{"truth": "truth/replicate=001", "analysis": "ensemble/trial=0001"} {
		tab := examplestest.Table(t, dir, part, "part-00000.arrow")
		for _, v := range []string{"x", "y", "z"} {
			all[what+" "+v] = tab.Column(v).([]float64)
		}
	}
	return all
}

// distance returns the largest difference of two runs.
func distance(t *testing.T, a, b map[string][]float64) float64 {
	t.Helper()
	largest := 0.0
	for name, values := range a {
		if len(values) == 0 || len(values) != len(b[name]) {
			t.Fatalf("%s: %d and %d values", name, len(values), len(b[name]))
		}
		for i, v := range values {
			largest = max(largest, math.Abs(v-b[name][i]))
		}
	}
	return largest
}

// The same experiment with model and operator as plume's plugins and on an UM-Bridge
// server gives the same truth and the same analyses, to rounding, and with several
// requests in flight the same bits.
//
// How far rounding may carry is measured, not guessed: rho, and then the scale of the
// operator, are changed by one part in 1e8, and the experiment answers with some change
// of its numbers. A Runge-Kutta step rounds as much as a change of rho by 14 x 2^-53
// (see examples/process). Two arctans may differ by 2^-52 of themselves each, and the
// product in them by 2^-53; the change of the scale by c changes them by c u/(1 + u²)
// for u = 0.1 x, which is c/7 of themselves or more for |x| < 50: so rounding does as
// much as a change of the scale by 35 x 2^-53 at most. So the runs may differ by
// 100 x 2^-53 / 1e-8 of the two measured changes.
func TestTwins(t *testing.T) {
	address := examplestest.Serve(t, "server.py")
	const change = 1e-8
	changed := func(key string, value float64) string {
		return key + "=" + strconv.FormatFloat(value*(1+change), 'g', -1, 64)
	}
	want := run(t, "plugins.toml")
	answer := distance(t, want, run(t, "plugins.toml", changed("model.params.rho", 28))) +
		distance(t, want, run(t, "plugins.toml", changed("observations.params.scale", 0.1)))
	tolerance := answer * 100 * 0x1p-53 / change
	if answer < 1e-8 || tolerance > 1e-8 {
		t.Fatalf("changes of 1e-8 change the numbers by %g, which gives a tolerance of %g: too much or too little to mean anything", answer, tolerance)
	}
	set := []string{"model.params.url=" + address, "observations.params.url=" + address}
	served := run(t, "umbridge.toml", set...)
	if got := distance(t, want, served); got > tolerance {
		t.Errorf("the largest difference is %g, want at most %g", got, tolerance)
	} else {
		t.Logf("the largest difference is %g; tolerance %.2g", got, tolerance)
	}
	parallel := run(t, "umbridge.toml", append(set, "model.params.parallel=4", "observations.params.parallel=3")...)
	if got := distance(t, served, parallel); got != 0 {
		t.Errorf("several requests in flight change the numbers by %g", got)
	}
}

// modelOf returns the [model] table of a workflow.
func modelOf(t *testing.T, workflow string) string {
	t.Helper()
	text, err := os.ReadFile(workflow)
	if err != nil {
		t.Fatal(err)
	}
	table := modelTable.FindString(string(text))
	if table == "" {
		t.Fatalf("%s has no [model]", workflow)
	}
	return table
}

var modelTable = regexp.MustCompile(`(?ms)^\[model\]\n.*?(^\[model\.params\]\n.*?)?^\[truth\]\n`)

// compile makes the C program in dir, or skips the test where there is no compiler and
// none is required.
func compile(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv("PLUME_COMPILERS") == "required" {
			t.Fatalf("%v, but PLUME_COMPILERS = required", err)
		}
		t.Skipf("NOT TESTED: %v", err)
	}
	out, err := exec.Command("gcc", "-O2", "-ffp-contract=off", "-o", filepath.Join(dir, "lorenz63"), "../process/c/lorenz63.c", "-lm").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// One experiment, one operator and one filter; the model is a plugin in Go, a plugin in
// Python, a C program, and an UM-Bridge server. Truth and analyses are the same to
// rounding, which is measured as in TestTwins: an answer to a change of rho by 1e-8, of
// which rounding may be worth 100 x 2^-53 / 1e-8.
func TestFourWaysToAModel(t *testing.T) {
	address := examplestest.Serve(t, "server.py")
	dir := t.TempDir()
	compile(t, dir)
	script, err := filepath.Abs("../python/lorenz63.py")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("plugins.toml")
	if err != nil {
		t.Fatal(err)
	}
	with := func(model string) string {
		file := filepath.Join(dir, "workflow.toml")
		changed := strings.Replace(string(text), modelOf(t, "plugins.toml"), model, 1)
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const change = 1e-8
	want := run(t, with(modelOf(t, "plugins.toml")))
	answer := distance(t, want, run(t, "plugins.toml", "model.params.rho="+strconv.FormatFloat(28*(1+change), 'g', -1, 64)))
	tolerance := answer * 100 * 0x1p-53 / change
	if answer < 1e-8 || tolerance > 1e-8 {
		t.Fatalf("a change of 1e-8 changes the numbers by %g, which gives a tolerance of %g: too much or too little to mean anything", answer, tolerance)
	}
	for way, model := range map[string]string{
		"plugin in Python":  fmt.Sprintf("[plugins]\nlorenz63-python = { python = %q }\n[model]\nplugin = \"lorenz63-python\"\n[truth]\n", script),
		"C program":         modelOf(t, "../process/c/lorenz63.toml"),
		"UM-Bridge server":  strings.Replace(modelOf(t, "umbridge.toml"), "http://localhost:4242", address, 1),
		"Go in 3 processes": strings.Replace(modelOf(t, "plugins.toml"), "plugin =", "replicas = 3\nplugin =", 1),
	} {
		got := distance(t, want, run(t, with(model)))
		if got > tolerance {
			t.Errorf("%s: the largest difference is %g, want at most %g", way, got, tolerance)
		}
		t.Logf("%s: the largest difference is %g; tolerance %.2g", way, got, tolerance)
	}
}

// When the server fails, plume says in which cycle and for which member, where, and what
// the server said.
func TestFailingServer(t *testing.T) {
	address := examplestest.Serve(t, "server.py")
	for where, want := range map[string][]string{
		`observations.params.config={"scale": "a"}`: {"cycle 1: observe: member 0: " + address + "/Evaluate: arctan: the server says 500: "},
		"model.params.model=lorenz":                 {"model: " + address + ` has no "lorenz", it has lorenz63, arctan`},
	} {
		cmd := exec.Command(plume, "run", "--run-dir", t.TempDir(), "umbridge.toml",
			"--set", "model.params.url="+address, "--set", "observations.params.url="+address, "--set", where)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("%s: got %v: %s", where, err, out)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: plume does not say %q:\n%s", where, w, out)
			}
		}
	}
}

// The suite of all plugins, over their sockets, with the server.
func TestConformance(t *testing.T) {
	address := examplestest.Serve(t, "server.py")
	// go-plugin hands plugins our standard input, and they end when that does.
	stdin, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	defer func(before *os.File) { os.Stdin = before }(os.Stdin)
	os.Stdin = stdin
	for _, name := range []string{"umbridge", "obs-umbridge"} {
		client := plugin.NewClient(&plugin.ClientConfig{
			HandshakeConfig:  rpc.Handshake,
			VersionedPlugins: map[int]plugin.PluginSet{rpc.ProtocolVersion: {rpc.Name: &rpc.GoPlugin{}}},
			AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
			GRPCDialOptions:  rpc.DialOptions(),
			Cmd:              exec.Command(plume, "plugin", name),
			Logger:           hclog.NewNullLogger(),
		})
		defer client.Kill()
		protocol, err := client.Client()
		if err != nil {
			t.Fatal(err)
		}
		p, err := rpc.Describe(t.Context(), protocol.(*plugin.GRPCClient).Conn)
		if err != nil {
			t.Fatal(err)
		}
		p.Manifest.Example.Params["url"] = address
		if err := plugintest.CheckContext(t.Context(), p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
