package sdk

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Role is the role of a plugin.
type Role string

// The roles.
const (
	RoleModel    Role = "model"
	RoleOperator Role = "operator"
	RoleFilter   Role = "filter"
)

// Manifest is the face of a plugin: the content of its plugin.toml. It is the
// single source of the plugin's parameters and their defaults.
type Manifest struct {
	Name      string     `toml:"name"`
	Version   string     `toml:"version"`
	Role      Role       `toml:"role"`
	Summary   string     `toml:"summary"`
	Params    []Param    `toml:"param"`
	Citations []Citation `toml:"citation"`
	Threading Threading  `toml:"threading"`
	Example   Example    `toml:"example"`
	Memory    []Memory   `toml:"memory"`

	// Step is the default of the workflow's time.step; 0 for a model without a time step,
	// which refuses the key. Models only.
	Step float64 `toml:"step"`
	// Errors lists the error distributions that an operator supports. Operators only.
	Errors []string `toml:"errors"`

	// Fractions says that a filter can assimilate observations in several calls, with a
	// fraction of the likelihood each time (tempering, or multiple data assimilation), and
	// inflates and learns from innovations once; see [Problem.Fresh]. Filters only.
	Fractions bool `toml:"fractions"`

	// Cutoffs says that a filter that localizes uses [ObservationSpace.Cutoffs]. Filters only.
	Cutoffs bool `toml:"cutoffs"`

	// Smooths says that a filter can move states of earlier times along with those of the
	// analysis; see [FilterConfig]. Filters only.
	Smooths bool `toml:"smooths"`

	// Carries says that a model keeps something of each member from one forecast to the next
	// besides its state; see [ForecastRequest.Carry]. Models only.
	Carries bool `toml:"carries"`

	// External says that the plugin starts programs or uses servers, so that its environment
	// matters: it always has a process of its own. They may have more cores than this machine, so
	// that large ensembles are not split over calls: see [Threading.MembersPerCall].
	External bool `toml:"external"`

	// Text is the source the manifest was parsed from.
	Text string `toml:"-"`
}

// Citation is a source of the method of a plugin.
type Citation struct {
	Text string `toml:"text"`
	DOI  string `toml:"doi"`
}

// Example is a small case that works, for documentation and for the conformance
// suite. A plugin that works with its defaults on any state needs none.
type Example struct {
	Params   map[string]any `toml:"params"`   // at least the required parameters
	State    []float64      `toml:"state"`    // a state from which a model may start; a single value applies to all
	Interval float64        `toml:"interval"` // length of a forecast; 0: one time step, or 1 for a model without
}

// Threading says how a plugin may be called.
type Threading struct {
	ConcurrentCalls    bool `toml:"concurrent_calls"`     // several calls at once are safe
	IndependentMembers bool `toml:"independent_members"`  // members may be split over calls
	MaxMembersPerCall  int  `toml:"max_members_per_call"` // larger ensembles are split over calls; 0: any number in one call

	anySize bool // ensembles are not split because they are large
}

// largeCall is the size in bytes from which an ensemble is split over calls, so that a plugin whose
// members are independent holds a part of it only.
const largeCall = 32 << 20

// MembersPerCall returns how many members with so many values a call has at most, of a
// machine with cores processor cores; 0: any number.
func (t Threading) MembersPerCall(values, cores int) int {
	most := t.MaxMembersPerCall
	if t.anySize || !t.IndependentMembers {
		return most
	}
	if few := max(cores, largeCall/(8*max(1, values))); most == 0 || few < most {
		most = few
	}
	return most
}

// ParamType is the type of a parameter.
type ParamType string

// The types of parameters.
const (
	Float   ParamType = "float"
	Int     ParamType = "int"
	Bool    ParamType = "bool"
	String  ParamType = "string"
	Floats  ParamType = "floats"  // a list of numbers
	Ints    ParamType = "ints"    // a list of integers
	Strings ParamType = "strings" // a list of strings
)

// PathUse says what a plugin does with the paths in a parameter.
type PathUse string

// The uses of paths.
const (
	// PathInput is for files and directories that are read. A run identifies them by their
	// checksums.
	PathInput PathUse = "input"
	// PathProgram is for a program and its arguments: the first item is a path if it has a
	// slash, and otherwise looked up on $PATH; another item is the path of a file that is
	// read if it is absolute and the file exists.
	PathProgram PathUse = "program"
	// PathOutput is for files and directories that are written.
	PathOutput PathUse = "output"
)

// Param is one parameter of a plugin.
type Param struct {
	Name     string    `toml:"name"`
	Type     ParamType `toml:"type"`
	Default  any       `toml:"default"` // nil: see Required
	Required bool      `toml:"required"`
	Choices  []string  `toml:"choices"` // of a string, or of the items of a list of strings
	Min      *float64  `toml:"min"`     // inclusive
	Max      *float64  `toml:"max"`     // inclusive
	Above    *float64  `toml:"above"`   // exclusive lower limit
	Below    *float64  `toml:"below"`   // exclusive upper limit
	Auto     bool      `toml:"auto"`    // of a number: with the word auto the plugin chooses it, see [IsAuto]
	Unit     string    `toml:"unit"`
	Doc      string    `toml:"doc"`

	// When lists, by the names of parameters before this one, the choices with which this
	// one applies: each of them must have one of the listed choices. Without When it always
	// applies. See [Manifest.CheckWhen].
	When map[string][]string `toml:"when"`

	// Path says, for a string or a list of strings, what its values are paths of; empty if
	// they are not paths. A relative path starts at the folder of the workflow, see
	// [ModelConfig]. Models only.
	Path PathUse `toml:"path"`

	// PerMember says that the parameter of a model can have a value for each member, so that
	// it can be estimated. Numbers only.
	PerMember bool `toml:"per_member"`

	// Declares says, for a list of strings, that its items declare more parameters of the model,
	// numbers that can be estimated: "NAME = NUMBER"; see [Manifest.With]. It is for models that
	// know their parameters from the workflow. Values by member replace those numbers.
	Declares bool `toml:"declares"`
}

// auto is the word that may replace a number with Auto.
const auto = "auto"

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// ParseManifest reads the text of a plugin.toml. Unknown keys, defaults outside
// their own range and other mistakes are errors; all are reported, one per line.
func ParseManifest(text string) (*Manifest, error) {
	m := &Manifest{Text: text, Threading: Threading{ConcurrentCalls: true, IndependentMembers: true}}
	meta, err := toml.Decode(text, m)
	if err != nil {
		return nil, Errorf(KindContract, "plugin.toml", "%v", err)
	}
	m.Threading.anySize = m.External
	var faults []string
	for _, k := range meta.Undecoded() {
		faults = append(faults, fmt.Sprintf("unknown key %s", k))
	}
	faults = append(faults, m.faults()...)
	if len(faults) > 0 {
		return nil, Errorf(KindContract, "plugin.toml", "%s", strings.Join(faults, "\n"))
	}
	return m, nil
}

func (m *Manifest) faults() []string {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if !nameRule.MatchString(m.Name) {
		add("name: got %q, want lower-case letters, digits, - and _", m.Name)
	}
	if m.Version == "" {
		add("version is missing")
	}
	if !slices.Contains([]Role{RoleModel, RoleOperator, RoleFilter}, m.Role) {
		add("role: got %q, want model, operator or filter", m.Role)
	}
	if m.Summary == "" {
		add("summary is missing")
	}
	switch most := m.Threading.MaxMembersPerCall; {
	case most < 0:
		add("threading.max_members_per_call must be at least 0, but is %d", most)
	case most > 0 && m.Role == RoleFilter:
		add("threading.max_members_per_call is for models and operators: a filter needs all members in one call")
	case most > 0 && !m.Threading.IndependentMembers:
		add("threading.max_members_per_call contradicts independent_members = false")
	}
	if m.Fractions && m.Role != RoleFilter {
		add("fractions is for filters")
	}
	if m.Cutoffs && m.Role != RoleFilter {
		add("cutoffs is for filters")
	}
	if m.Smooths && m.Role != RoleFilter {
		add("smooths is for filters")
	}
	if m.Carries && m.Role != RoleModel {
		add("carries is for models")
	}
	seen := map[string]bool{}
	for i := range m.Params {
		p := &m.Params[i]
		if seen[p.Name] {
			add("param %s is repeated", p.Name)
		}
		seen[p.Name] = true
		for _, f := range slices.Concat(p.faults(), p.whenFaults(m.Params[:i]), p.declaresFaults(m.Role)) {
			add("param %s: %s", p.Name, f)
		}
		if p.PerMember && m.Role != RoleModel {
			add("param %s: per_member is for models", p.Name)
		}
		if p.Path != "" && m.Role != RoleModel {
			add("param %s: path is for models", p.Name)
		}
	}
	return append(faults, m.memoryFaults()...)
}

func (p *Param) faults() []string {
	var faults []string
	if !nameRule.MatchString(p.Name) {
		faults = append(faults, "name must be lower-case letters, digits, - and _")
	}
	if p.Doc == "" {
		faults = append(faults, "doc is missing")
	}
	if p.Required == (p.Default != nil) {
		faults = append(faults, "want either a default or required = true")
	}
	if !slices.Contains([]ParamType{Float, Int, Bool, String, Floats, Ints, Strings}, p.Type) {
		return append(faults, fmt.Sprintf("type: got %q, want float, int, bool, string, floats, ints or strings", p.Type))
	}
	if p.Auto && p.Type != Float {
		faults = append(faults, fmt.Sprintf("auto is for type float, not %s", p.Type))
	}
	if p.PerMember && p.Type != Float {
		faults = append(faults, fmt.Sprintf("per_member is for type float, not %s", p.Type))
	}
	switch uses := []PathUse{PathInput, PathProgram, PathOutput}; {
	case p.Path == "":
	case !slices.Contains(uses, p.Path):
		faults = append(faults, fmt.Sprintf("path: got %q, want input, program or output", p.Path))
	case p.Type != String && p.Type != Strings || len(p.Choices) > 0:
		faults = append(faults, "path is for strings without choices")
	case p.Path == PathProgram && p.Type != Strings:
		faults = append(faults, fmt.Sprintf("path: a program is of type strings, not %s", p.Type))
	}
	if p.Default != nil {
		v, err := p.Check(p.Default)
		if err != nil {
			faults = append(faults, "default: "+err.Error())
		}
		p.Default = v
	}
	return faults
}

// ResolveStep returns the time step to integrate with: step, or the manifest's
// default if step is 0.
func (m *Manifest) ResolveStep(step float64) (float64, error) {
	switch {
	case step == 0:
		return m.Step, nil
	case m.Step == 0:
		return 0, Errorf(KindConfig, "step", "%s has no time step, but %g was given", m.Name, step).WithHint("remove the step")
	case step < 0 || math.IsNaN(step) || math.IsInf(step, 0):
		return 0, Errorf(KindConfig, "step", "must be a number above 0, but is %g", step)
	}
	return step, nil
}

// MostSteps is the largest number of time steps in a span of model time.
const MostSteps = 5e8

// WholeSteps returns the number of time steps in a span of model time, and whether their
// ratio is a whole number within a relative error of 1e-9. It is not whole for more than
// [MostSteps], where this cannot be decided, nor for less than one step in a span above 0. If
// it is not whole, the number is the nearest possible one.
func WholeSteps(span, step float64) (steps int, whole bool) {
	ratio := span / step
	nearest := math.Round(ratio)
	if whole = math.Abs(ratio-nearest) <= 1e-9*ratio && ratio <= MostSteps; !whole {
		nearest = min(max(1, nearest), MostSteps)
	}
	return int(nearest), whole
}

// CheckError returns an error unless the operator supports the error distribution of e and
// its numbers are valid.
func (m *Manifest) CheckError(e ErrorModel) error {
	if !slices.Contains(m.Errors, e.Dist) {
		return Errorf(KindConfig, "error.dist", "must be one of %s, but is %q", strings.Join(m.Errors, ", "), e.Dist)
	}
	if len(e.SD) == 0 {
		return Errorf(KindConfig, "error.sd", "is missing: a number above 0, or one per observed component")
	}
	for _, sd := range e.SD {
		if !(sd > 0) || math.IsInf(sd, 0) {
			return Errorf(KindConfig, "error.sd", "must be above 0 and finite, but is %g", sd)
		}
	}
	if e.Dist == "student_t" && !(e.DF > 2) {
		return Errorf(KindConfig, "error.df", "must be above 2 for the variance to exist, but is %g", e.DF)
	}
	return nil
}

// checkPerMember returns an error unless names are distinct parameters that may have a
// value for each member.
func (m *Manifest) checkPerMember(names []string) error {
	for i, name := range names {
		switch p := m.Param(name); {
		case p == nil:
			return Errorf(KindConfig, name, "is not a parameter of %s", m.Name)
		case !p.PerMember:
			return Errorf(KindConfig, name, "cannot have a value for each member of the ensemble; %s does not offer it", m.Name)
		case slices.Contains(names[:i], name):
			return Errorf(KindConfig, name, "is named twice among the parameters by member")
		}
	}
	return nil
}

// Param returns the parameter called name, or nil.
func (m *Manifest) Param(name string) *Param {
	for i := range m.Params {
		if m.Params[i].Name == name {
			return &m.Params[i]
		}
	}
	return nil
}

// Check returns value in the Go type of the parameter (float64, int64, bool, string,
// []float64, []int64, []string; the string "auto" if that is allowed) or an error that
// says what is expected. An integer is accepted for a float, and an integral float for an
// integer; so is a duration such as "1m30s" for a float in seconds. Nothing else is
// converted.
func (p *Param) Check(value any) (any, error) {
	switch p.Type {
	case Floats, Ints, Strings:
		return p.checkList(value)
	}
	if p.Auto && value == auto {
		return auto, nil
	}
	if text, isText := value.(string); isText && p.Type == Float && p.Unit == "s" {
		if d, err := time.ParseDuration(text); err == nil {
			value = d.Seconds()
		}
	}
	v, ok := scalar(p.Type, value)
	if !ok {
		return nil, Errorf(KindConfig, p.Name, "must be %s, but is %s", p.Wants(), show(value))
	}
	if !p.inRange(v) {
		return nil, Errorf(KindConfig, p.Name, "must be %s, but is %s", p.Wants(), show(value))
	}
	return v, nil
}

func (p *Param) checkList(value any) (any, error) {
	items, ok := anySlice(value)
	if !ok {
		return nil, Errorf(KindConfig, p.Name, "must be %s, but is %s", p.Wants(), show(value))
	}
	item := map[ParamType]ParamType{Floats: Float, Ints: Int, Strings: String}[p.Type]
	floats, ints, strs := make([]float64, 0, len(items)), make([]int64, 0, len(items)), make([]string, 0, len(items))
	for i, it := range items {
		v, ok := scalar(item, it)
		if !ok || !p.inRange(v) {
			return nil, Errorf(KindConfig, p.Name, "must be %s, but item %d is %s", p.Wants(), i+1, show(it))
		}
		switch v := v.(type) {
		case float64:
			floats = append(floats, v)
		case int64:
			ints = append(ints, v)
		case string:
			strs = append(strs, v)
		}
	}
	switch p.Type {
	case Floats:
		return floats, nil
	case Ints:
		return ints, nil
	}
	if p.Declares {
		return strs, p.checkDeclarations(strs)
	}
	return strs, nil
}

// Wants describes the values that the parameter takes, such as "a number in (0, 1]" or
// "one of rk4, euler".
func (p *Param) Wants() string {
	var s string
	switch p.Type {
	case Float:
		s = "a number"
		if p.Auto {
			s = `"auto" or a number`
		}
	case Int:
		s = "an integer"
	case Bool:
		return "true or false"
	case String:
		if len(p.Choices) > 0 {
			return "one of " + strings.Join(p.Choices, ", ")
		}
		return "a string"
	case Floats:
		s = "a list of numbers"
	case Ints:
		s = "a list of integers"
	case Strings:
		if p.Declares {
			return `a list of "NAME = NUMBER"`
		}
		if len(p.Choices) > 0 {
			return "a list of " + strings.Join(p.Choices, ", ")
		}
		return "a list of strings"
	}
	return s + p.interval()
}

func (p *Param) interval() string {
	lowest, highest := p.Min, p.Max
	open, end := "[", "]"
	if p.Above != nil {
		lowest, open = p.Above, "("
	}
	if p.Below != nil {
		highest, end = p.Below, ")"
	}
	switch {
	case lowest != nil && highest != nil:
		return fmt.Sprintf(" in %s%g, %g%s", open, *lowest, *highest, end)
	case p.Above != nil:
		return fmt.Sprintf(" > %g", *lowest)
	case lowest != nil:
		return fmt.Sprintf(" >= %g", *lowest)
	case p.Below != nil:
		return fmt.Sprintf(" < %g", *highest)
	case highest != nil:
		return fmt.Sprintf(" <= %g", *highest)
	}
	return ""
}

// Outside reports whether v is outside the limits of a number.
func (p *Param) Outside(v float64) bool { return !p.inRange(v) }

func (p *Param) inRange(v any) bool {
	var x float64
	switch v := v.(type) {
	case float64:
		x = v
	case int64:
		x = float64(v)
	case string:
		return len(p.Choices) == 0 || slices.Contains(p.Choices, v)
	default:
		return true
	}
	return !math.IsNaN(x) && !math.IsInf(x, 0) &&
		(p.Min == nil || x >= *p.Min) && (p.Max == nil || x <= *p.Max) &&
		(p.Above == nil || x > *p.Above) && (p.Below == nil || x < *p.Below)
}

func scalar(t ParamType, value any) (any, bool) {
	switch v := value.(type) {
	case bool:
		return v, t == Bool
	case string:
		return v, t == String
	case int64:
		if t == Float {
			return float64(v), true
		}
		return v, t == Int
	case int:
		return scalar(t, int64(v))
	case float64:
		if t == Int && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
		return v, t == Float
	}
	return nil, false
}

func anySlice(value any) ([]any, bool) {
	switch v := value.(type) {
	case []any:
		return v, true
	case []float64:
		return toAny(v), true
	case []int64:
		return toAny(v), true
	case []string:
		return toAny(v), true
	}
	return nil, false
}

func toAny[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}

func show(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the string %q", v)
	case bool, int64, int:
		return fmt.Sprint(v)
	case float64:
		return fmt.Sprintf("%g", v)
	case []any, []float64, []int64, []string:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("a %T", value)
}
