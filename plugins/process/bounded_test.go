package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lower sets a bound for the length of a test.
func lower(t *testing.T, bound *int, to int) {
	was := *bound
	*bound = to
	t.Cleanup(func() { *bound = was })
}

// A server that prints without a line break, and does not end, fails its member, and takes no more memory than an answer may.
func TestServerWithoutLineBreak(t *testing.T) {
	lower(t, &mostAnswer, 100_000)
	m := configured(t, serving(t, "babbles", params{"parallel": 1, "retries": 0, "timeout": 60.0}))
	res, err := m.Forecast(t.Context(), request(m, 3))
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 {
		t.Fatalf("got %+v, %v; want member 1 to fail", res, err)
	}
	want := fmt.Sprintf(`printed more than %d bytes without a line break, which begin with "xxxx`, 100_000+2*perValue)
	if !strings.Contains(res.Failures[0].Reason, want) {
		t.Errorf("got %s, want %s", res.Failures[0].Reason, want)
	}
}

// So does a program that writes more than a result may have, in every format that is read as a whole, also one that goes on
// without end.
func TestResultsThatAreTooLong(t *testing.T) {
	lower(t, &mostText, 10_000)
	const long, endless = `head -c 20000 /dev/zero | tr '\0' 1 > `, "ln -s /dev/zero "
	for output, more := range map[string]params{
		"result.csv":  nil,
		"result.txt":  nil,
		"table.txt":   {"read": []string{"1", "2"}},
		"result.json": nil,
		"pest.txt":    {"instructions": []string{"pest.txt.ins"}},
	} {
		for _, writes := range []string{long, endless} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pest.txt.ins"), []byte("pif @\nl1 !x! !y!\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p := scalars(params{"command": shell(writes + output), "output": output, "work_dir": filepath.Join(dir, "work")})
			if more["instructions"] != nil {
				delete(p, "output")
			}
			for k, v := range more {
				p[k] = v
			}
			m, err := configureIn(dir, p)
			if err != nil {
				t.Fatal(err)
			}
			res, err := m.Forecast(t.Context(), request(m, 1))
			want := fmt.Sprintf("left an invalid %s: has more than %d bytes", output, 10_000+2*perValue)
			if output == "result.json" && writes == endless {
				want = "left an invalid result.json: invalid character" // which is found first
			}
			if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, want) {
				t.Errorf("%s%s: got %+v, %v, want %s", writes, output, res, err, want)
			}
		}
	}
}

// Nor does a file that a workflow names.
func TestFilesThatAreTooLong(t *testing.T) {
	lower(t, &mostText, 10_000)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"long.ins": "pif @\nl1 !x! !y!\n", "long.tpl": "ptf ~\n~ x ~ ~ y ~\n", "long.txt": "{{.state.x}}\n", "points.csv": "i\n1\n2\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+strings.Repeat("#\n", 10_000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, more := range map[string]params{
		"instructions": {"instructions": []string{"long.ins"}},
		"templates":    {"templates": []string{"long.tpl"}},
		"template":     {"input": "in.txt", "template": "long.txt"},
		"points":       {"points": "points.csv"},
	} {
		p := scalars(params{"command": shell("true")})
		for k, v := range more {
			p[k] = v
		}
		if _, err := configureIn(dir, p); err == nil || !strings.Contains(err.Error(), "has more than 10000 bytes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
