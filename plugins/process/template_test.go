package process

import (
	"bytes"
	"os"
	"testing"
)

// What templates write, from a file and as they stand in the workflow.
func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ mode, template, want string }{
		{"member", "&run h = {{range .state.h}}{{range .}}{{.}} {{end}}{{end}}, drag = {{printf \"%.3e\" .state.drag}} /",
			"&run h = 1 2 3 4 , drag = 1.000e-01 /"},
		{"member", "{{.state.h}}\n{{.state.drag}}", "1 2\n3 4\n0.1"},
		{"member", `{{join (index .state.h 1) ", "}}; {{join .state.h "; "}}; {{.state.drag}}`, "3, 4; 1 2; 3 4; 0.1"},
		{"member", "{{if gt .state.drag 0.05}}rough{{end}} {{.state.h}}", "rough 1 2\n3 4"},
		{"batch", "{{len .members}}{{range .members}}\n{{.member}}: {{index .state.h 1 0}} {{.state.drag}}{{end}}", "2\n40: 3 0.1\n41: 7 0.2"},
	} {
		for _, place := range []string{"in.template", tt.template} {
			dir := t.TempDir()
			if err := os.WriteFile(dir+"/in.template", []byte(tt.template), 0o644); err != nil {
				t.Fatal(err)
			}
			m, err := configureIn(dir, params{"variables": []string{"h(y, x)", "drag"}, "dimensions": []string{"y = 2", "x = 2"},
				"command": []string{"true"}, "mode": tt.mode, "input": "in.nml", "template": place})
			if err != nil {
				t.Fatal(err)
			}
			r := request(m, 2)
			copy(r.Ensemble.RawMatrix().Data, []float64{1, 2, 3, 4, 0.1, 5, 6, 7, 8, 0.2})
			var b bytes.Buffer
			if err := m.inputs[0].codec.encode(&b, m.tasks(r)[0]); err != nil || b.String() != tt.want {
				t.Errorf("got %q, want %q: %v", b.String(), tt.want, err)
			}
		}
	}
}

// Programs read a whole number up to the first character that is not a digit, so that no
// file and no argument may hold one with an exponent.
func TestWholeNumbersHaveNoExponent(t *testing.T) {
	for file, want := range map[string]string{
		"in.csv":  "x,h[0],h[1]\n1000000,20000000,1.5\n",
		"in.json": `"interval":1000000,`,
		"in.txt":  "1000000 20000000 1.5, 3000000 to 4000000: 1000000",
	} {
		p := params{"variables": []string{"x", "h(i)"}, "dimensions": []string{"i = 2"}, "input": file,
			"command": []string{"echo", "{{.from}}", "{{.to}}", "{{.interval}}", "{{.state.x}}", "{{.state.h}}"},
			"env":     []string{"DAYS={{.interval}}"}}
		if file == "in.txt" {
			p["template"] = "{{.state.x}} {{.state.h}}, {{.from}} to {{.to}}: {{.interval}}"
		}
		m := configured(t, p)
		r := request(m, 1)
		r.From, r.To = 3e6, 4e6
		copy(r.Ensemble.RawMatrix().Data, []float64{1e6, 2e7, 1.5})
		var b bytes.Buffer
		if err := m.inputs[0].codec.encode(&b, m.tasks(r)[0]); err != nil || !bytes.Contains(b.Bytes(), []byte(want)) {
			t.Errorf("%s: got %q, want %q: %v", file, b.String(), want, err)
		}
		cmd, err := m.command(t.TempDir(), m.tasks(r)[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := cmd.Args[len(cmd.Args)-5:]; got[0] != "3000000" || got[1] != "4000000" || got[2] != "1000000" || got[3] != "1000000" || got[4] != "20000000 1.5" {
			t.Errorf("got arguments %q", got)
		}
		if got := cmd.Env[len(cmd.Env)-1]; got != "DAYS=1000000" {
			t.Errorf("got %s", got)
		}
	}
}
