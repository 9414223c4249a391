package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/plume-da/plume/docs"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestReference holds docs/reference/workflow-language.md to the language; -update writes it.
func TestReference(t *testing.T) {
	text := referenceText()
	isMade(t, "../../../docs/reference/workflow-language.md", text)
	for key := range workflow.Keys() {
		name := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("%s is not in the reference", key)
		}
	}
}

// Every code in the sources is documented, once.
func TestCodesAreDocumented(t *testing.T) {
	var documented []string
	for _, c := range codes() {
		if documented = append(documented, string(c.Code)); c.Means == "" || c.Remedy == "" {
			t.Errorf("%s has no meaning or no remedy", c.Code)
		}
	}
	var used []string
	for file, text := range textsOf(t, "../tomltext/*.go", "../workflow/*.go", "../plan/*.go", "../observations/*.go", "../experiment/*.go", "../remote/*.go", "*.go") {
		if !strings.HasSuffix(file, "_test.go") {
			used = append(used, regexp.MustCompile(`\bE[1234]\d\d\b`).FindAllString(text, -1)...)
		}
	}
	slices.Sort(used)
	slices.Sort(documented)
	if used = slices.Compact(used); !slices.Equal(used, documented) {
		t.Errorf("documented %v\nused %v", documented, used)
	}
}

// Every code has a section in docs/troubleshooting.md, which says what it means, shows a
// finding that plume prints, and says what to do; -update writes the findings.
func TestCodesAreExplained(t *testing.T) {
	corpus := ""
	for _, text := range textsOf(t, "testdata/bad/*.txt", "../workflow/testdata/bad/*.txt", "failures_test.go", "window_test.go", "smooth_test.go", "continue_test.go") {
		corpus += strings.NewReplacer("HERE/", "", "BIN/", "").Replace(text) + "\n"
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	page := docs.Troubleshooting
	for _, c := range codes() {
		text := explanation(string(c.Code))
		means := strings.ToUpper(c.Means[:1]) + c.Means[1:] + ". "
		if !strings.HasPrefix(words(text), string(c.Code)+" "+means) {
			t.Errorf("%s: want a section that begins with %q, got\n%s", c.Code, means, text)
		}
		if !strings.HasSuffix(words(text), " Remedy: "+words(c.Remedy)+".") {
			t.Errorf("%s: want a section that ends with %q, got\n%s", c.Code, "Remedy: "+c.Remedy+".", text)
		}
		_, example, _ := strings.Cut(text, "\n  error["+string(c.Code)+"]")
		example, _, _ = strings.Cut(example, "\n\n")
		example = "error[" + string(c.Code) + "]" + strings.ReplaceAll(example, "\n  ", "\n")
		if strings.Contains(corpus, example) || c.Code == "E330" || c.Code == "E331" { // these depend on the machine: TestTooLarge, TestDiskIsFull
			continue
		}
		if now := findingLike(example, corpus); *update && now != "" {
			page = strings.Replace(page, example, now, 1)
			continue
		}
		t.Errorf("%s: this finding is not in the corpus of testdata/bad; run go test ./host/internal/cli -run Explained -update, or choose another one:\n%s", c.Code, example)
	}
	if sections := strings.Count(page, "\n### E"); sections != len(codes()) {
		t.Errorf("%d sections for %d codes", sections, len(codes()))
	}
	if page != docs.Troubleshooting {
		if err := os.WriteFile("../../../docs/troubleshooting.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// findingLike returns the finding of corpus with the code and the file of example.
func findingLike(example, corpus string) string {
	code, rest, _ := strings.Cut(example, "]")
	_, file, _ := strings.Cut(rest, "--> ")
	file, _, _ = strings.Cut(file, ":")
	return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(code) + `\].*\n +--> ` + regexp.QuoteMeta(file) + `:(.|\n.)*`).FindString(corpus)
}

// textsOf returns the texts of the files that patterns name.
func textsOf(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(text)
		}
	}
	return texts
}

// Every kind of finding is in the corpus of faulty workflows, with its exact text.
func TestCodesAreTested(t *testing.T) {
	corpus := ""
	for _, text := range textsOf(t, "testdata/bad/*.txt", "../workflow/testdata/bad/*.txt") {
		corpus += text
	}
	elsewhere := []diag.Code{"E310", "E312", "E313", "E330", "E331", "E410", "E411"} // TestCoupledMembersStayTogether, TestWindowWithoutFractions, TestSmoothRefused, TestTooLarge, TestDiskIsFull, TestContinueLate
	for _, c := range codes() {
		if !slices.Contains(elsewhere, c.Code) && !strings.Contains(corpus, "error["+string(c.Code)+"]") {
			t.Errorf("no workflow of testdata/bad has %s, %s", c.Code, c.Means)
		}
	}
}

// schemaFile is where editors find the schema.
const schemaFile = "../../../docs/schema/plume.schema.json"

// TestSchemaFile holds it to what plume schema prints, with the project's plugins; -update
// writes it.
func TestSchemaFile(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"schema"}, &stdout, &stderr); code != exitOK {
		t.Fatal(stderr.String())
	}
	isMade(t, schemaFile, stdout.String())
}

// isMade holds a file to the text that it is made of; -update writes it.
func isMade(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%s is not what it is made of (%v); run go test ./host/internal/cli -run %s -update", path, err, t.Name())
	}
}

// compiled returns the schema of schemaFile.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("plume.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("plume.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fromTOML returns a TOML text as JSON values.
func fromTOML(t *testing.T, text []byte) any {
	t.Helper()
	var values map[string]any
	if _, err := toml.Decode(string(text), &values); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// projectWorkflows returns the texts of the project's workflows by file.
func projectWorkflows(t *testing.T) map[string]string {
	t.Helper()
	texts := textsOf(t, "../../../workflows/*.toml", "../../../examples/*/*.toml", "../../../examples/*/*/*.toml", "../../../docs/*/*.toml", "../../../bench/dapper/*.toml", "../../../bench/scale/*.toml")
	if len(texts) < 20 {
		t.Fatalf("%d workflows", len(texts))
	}
	return texts
}

// The first line of every workflow names the schema for editors: in the project the file,
// and in what plume init writes the file's address.
func TestWorkflowsNameTheSchema(t *testing.T) {
	named := func(text string) string {
		line, _, _ := strings.Cut(text, "\n")
		return strings.TrimPrefix(line, "#:schema ")
	}
	for file, text := range projectWorkflows(t) {
		if got := filepath.Join(filepath.Dir(file), named(text)); got != schemaFile {
			t.Errorf("%s names the schema %s, want %s", file, got, schemaFile)
		}
	}
	for file, text := range textsOf(t, "../scaffold/templates/*/workflow.toml", "../scaffold/templates/*/*/workflow.toml.tmpl") {
		if got := named(text); got != "https://raw.githubusercontent.com/plume-da/plume/main/docs/schema/plume.schema.json" {
			t.Errorf("%s names the schema %s", file, got)
		}
	}
}

// The schema accepts every workflow of the project and refuses the faults that a
// schema can see.
func TestJSONSchema(t *testing.T) {
	s := compiled(t)
	good := projectWorkflows(t)
	maps.Copy(good, textsOf(t, "../workflow/testdata/good/*.toml", "../workflow/testdata/include/*.toml"))
	for file, content := range good {
		text := []byte(content)
		if !strings.Contains(content, "format") || !strings.Contains(content, "[experiment]") {
			continue // no workflow, or a part of one
		}
		if file == "../workflow/testdata/good/full.toml" {
			text = regexp.MustCompile(`plugin +=.*`).ReplaceAll(text, []byte(`plugin = "other"`)) // its parameters are made up
		}
		if err := s.Validate(fromTOML(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	text, err := os.ReadFile("../../../workflows/lorenz63-quick.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, sweep := range []string{ // a key in quotes, and one without, which is a table in tables
		"\"filter.enkf.params.inflation\" = [1.0, 1.1]", "filter.enkf.params.inflation = [1.0, 1.1]\nensemble.size = [20, 50]", "experiment = { seed = [1, 2] }",
	} {
		if err := s.Validate(fromTOML(t, []byte(string(text)+"\n[sweep.axes]\n"+sweep))); err != nil {
			t.Errorf("%s: %v", sweep, err)
		}
	}
	for _, wrong := range []string{"ensemble.size = 20", "ensemble.size = []"} {
		if s.Validate(fromTOML(t, []byte(string(text)+"\n[sweep.axes]\n"+wrong))) == nil {
			t.Errorf("%s is accepted as an axis", wrong)
		}
	}
	for fault, said := range map[string]string{ // an editor says which limit a number misses
		"seed        = -1": "minimum", "seed        = \"one\"": "pattern", "seed = true": "want integer or string",
	} {
		bad := regexp.MustCompile(`(?m)^seed.*$`).ReplaceAllString(string(text), fault)
		if err := s.Validate(fromTOML(t, []byte(bad))); err == nil || !strings.Contains(err.Error(), said) || strings.Contains(err.Error(), "anyOf") {
			t.Errorf("%s: got %v, want a text with %q and without anyOf", fault, err, said)
		}
	}
	for _, fault := range [][2]string{
		{"cycles ", "cycels "}, {"seed ", "speed "}, {`{ dist = "normal", around`, `{ dist = "gaussian", around`}, {"interval = 0.15", "interval = -0.15"},
		{`{ beta = "=8/3" }`, "{ rhoo = 28 }"}, {`{ beta = "=8/3" }`, "{ rho = true }"}, {"[[filter]]", "[[filters]]"}, {`scheme = "stochastic"`, `scheme = "tochastic"`},
		{`scheme = "kde"`, `scheme = "kde", cutoff = 3.5`}, {`scheme = "kde"`, `scheme = "joint", centre = false`},
	} {
		bad := strings.Replace(string(text), fault[0], fault[1], 1)
		if bad == string(text) {
			t.Fatalf("%q is not in the workflow", fault[0])
		}
		if err := s.Validate(fromTOML(t, []byte(bad))); err == nil {
			t.Errorf("%q for %q is accepted", fault[1], fault[0])
		}
	}
}
