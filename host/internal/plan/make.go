package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// Open returns the plugin of c, with its members distributed over processes as r says.
type Open func(ctx context.Context, c workflow.Component, r Replication) (*sdk.Plugin, error)

// recorded is the observations in files for what was asked for.
type recorded struct {
	*observations.Record
	asked   string // fingerprint
	layouts []*sdk.Layout
}

// Replication says over how many processes members are distributed, and how many members
// may be dropped. The zero value is for a filter.
type Replication struct{ Replicas, MaxFailed int }

// maker makes plans, one setting after the other. It works on one workflow at a time:
// that of a setting, or of a variant with values of a filter's own axes.
type maker struct {
	ctx    context.Context
	open   Open
	known  observations.Known
	found  diag.Findings
	before int // number of findings when the setting began

	manifests map[string]*sdk.Manifest // of the plugins that have the right role, by name
	inputs    []Input
	records   []recorded

	w        *workflow.Workflow
	variants []workflow.Variant
	plan     *Plan

	modelPlugin, referencePlugin   *sdk.Plugin
	truthPlugin                    *sdk.Plugin   // nil: that of the model
	bounded                        []bounded     // variables of a state
	blocks                         []block       // streams with correlated errors
	observed                       *sdk.Layout   // the part of a state that operators see: all but parameters
	overs                          map[int]*over // streams that observe means or sums
	operatorPlugins, filterPlugins []*sdk.Plugin // by stream, and by variant
}

// setting makes the plan of one setting; nil if there are findings.
func (m *maker) setting(s workflow.Setting) *setting {
	m.before = len(m.found)
	m.w, m.variants, m.truthPlugin, m.operatorPlugins, m.filterPlugins, m.plan = s.Workflow, s.Variants, nil, nil, nil, &Plan{
		Clock: Clock{Start: s.Time.Start.Model, Interval: s.Time.Interval, Cycles: s.Time.Cycles, BurnIn: s.Time.BurnIn},
	}
	if s.Time.First != nil {
		m.plan.Clock.Lead = s.Time.Interval - *s.Time.First
	}
	m.files()
	for _, stage := range []func(){m.findPlugins, m.model, m.observations, m.names, m.ahead, m.filters, m.scores, m.stored} {
		if stage(); len(m.found) > m.before {
			return nil
		}
	}
	made := &setting{Plan: m.plan, seed: s.Experiment.Seed, truth: truthKey(*s.Workflow), observed: s.Observations}
	if s.Reference != nil {
		made.reference = referenceKey(*s.Workflow)
	}
	return made
}

// each calls do in the workflow of every variant.
func (m *maker) each(do func(i int, f *workflow.Filter, index int)) {
	shared := m.w
	for i, v := range m.variants {
		m.w = v.Workflow
		do(i, &v.Filters[v.Filter], v.Filter)
	}
	m.w = shared
}

// IsPluginFault reports whether a finding is about a plugin that is missing or does
// not start, rather than about the workflow.
func IsPluginFault(f *diag.Finding) bool { return f.Code == codePlugin }

// AddPluginFault adds to found that the plugin that is named at a place is missing or does
// not start.
func AddPluginFault(found *diag.Findings, at diag.Span, err error) {
	d := found.Add(codePlugin, at, "%v", err)
	if sdk.KindOf(err) == sdk.KindPlugin {
		d.WithHelp("`plume plugins list` shows the available plugins; [plugins] can name others")
	}
}

// add records a finding about the value at path and returns it.
func (m *maker) add(code diag.Code, path []any, format string, args ...any) *diag.Finding {
	return m.found.Add(code, m.w.At(path...), format, args...)
}

// below returns the path of something inside path.
func below(path []any, names ...any) []any { return append(slices.Clone(path), names...) }

// findPlugins opens all plugins and checks roles and parameters.
func (m *maker) findPlugins() {
	m.modelPlugin = m.find(m.w.Model.Component, Replication{m.w.Model.Replicas, m.w.Model.MaxFailed}, sdk.RoleModel, "model")
	for i, o := range m.w.Observations {
		m.operatorPlugins = append(m.operatorPlugins, m.find(o.Component, Replication{Replicas: o.Replicas}, sdk.RoleOperator, "observations", i))
	}
	m.each(func(_ int, f *workflow.Filter, index int) {
		m.filterPlugins = append(m.filterPlugins, m.find(f.Component, Replication{}, sdk.RoleFilter, "filter", index))
	})
	if r := m.w.Reference; r != nil {
		m.referencePlugin = m.find(r.Component, Replication{}, sdk.RoleFilter, "reference")
	}
	switch t := m.w.Truth; {
	case t == nil:
	case t.Plugin != "":
		c := m.w.Model.Component
		if c.OnFailure == "drop_member" { // there is only one
			c.OnFailure = "retry"
		}
		c.Plugin, c.Timeout, c.Params = t.Plugin, t.Timeout, t.Params
		m.truthPlugin = m.find(c, Replication{}, sdk.RoleModel, "truth")
	case m.modelPlugin != nil:
		m.checkParams(m.modelPlugin.Manifest, t.Params, false, "truth")
	}
}

func (m *maker) find(c workflow.Component, r Replication, role sdk.Role, path ...any) *sdk.Plugin {
	p, err := m.open(m.ctx, c, r)
	at := below(path, "plugin")
	if err != nil && c.Executor != "" && sdk.KindOf(err) == sdk.KindResource { // its engine did not start it
		at = below(path, "executor")
	}
	if err != nil {
		AddPluginFault(&m.found, m.w.At(at...), err)
		return nil
	}
	if p.Manifest.Role != role {
		m.add(codeRole, at, "`%s` is a %s plugin, but a %s is needed here", c.Plugin, p.Manifest.Role, role).WithLabel("a %s", role).
			WithHelp("name a %s here; `plume plugins list` shows them", role)
		return nil
	}
	m.manifests[c.Plugin] = p.Manifest
	m.checkParams(p.Manifest, c.Params, true, path...)
	m.checkWhen(p.Manifest, c.Params, path...)
	m.checkReplicas(p.Manifest, r, path...)
	return p
}

// checkReplicas refuses to split an ensemble whose members depend on each other.
func (m *maker) checkReplicas(manifest *sdk.Manifest, r Replication, path ...any) {
	if manifest.Threading.IndependentMembers {
		return
	}
	depend := manifest.Name + " computes members together (independent_members = false)"
	if r.Replicas > 1 {
		m.add(codeMembers, below(path, "replicas"), "the members of `%s` cannot be distributed over %d processes", manifest.Name, r.Replicas).
			WithLabel("must be 1").WithNote("%s", depend).WithHelp("remove replicas")
	}
	if r.MaxFailed > 0 {
		m.add(codeMembers, below(path, "on_failure"), "members of `%s` cannot be dropped", manifest.Name).
			WithLabel("must be \"fail\" or \"retry\"").WithNote("%s", depend).WithHelp("write on_failure = \"retry\", and remove max_failed")
	}
}

// checkParams reports every parameter that the manifest does not accept.
// If complete, the required ones must be there.
func (m *maker) checkParams(manifest *sdk.Manifest, params map[string]any, complete bool, path ...any) {
	face := manifest.Name + " " + manifest.Version
	for _, name := range slices.Sorted(maps.Keys(params)) {
		at := below(path, "params", name)
		p := manifest.Param(name)
		if p == nil {
			m.found.Add(codeUnknownParam, m.w.KeyAt(at...), "%s has no parameter `%s`", face, name).
				WithLabel("unknown parameter").WithHelp("%s", suggestParam(manifest, name))
			continue
		}
		if _, err := p.Check(params[name]); err != nil {
			m.add(codeParam, at, "%s", what(err, name)).WithLabel("%s", p.Wants()+defaultText(p)).
				WithNote("%s: %s, %s", face, p.Name, p.Doc).WithHelp("write %s%s", p.Wants(), leaveOut(p))
		}
	}
	for _, p := range manifest.Params {
		if _, ok := params[p.Name]; !ok && p.Required && complete {
			m.add(codeMissingParam, below(path, "plugin"), "%s needs the parameter `%s`", face, p.Name).
				WithNote("%s", p.Doc).WithHelp("add `%s` to params: %s", p.Name, p.Wants())
		}
	}
}

// checkWhen reports every parameter that does not apply to the values of the others.
func (m *maker) checkWhen(manifest *sdk.Manifest, params map[string]any, path ...any) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		var refused *sdk.Error
		if !errors.As(manifest.CheckWhen(name, params), &refused) {
			continue
		}
		help := refused.Hint
		if len(m.w.Axes()) > 0 {
			help += "; sweep.exclude removes combinations"
		}
		m.add(codeWhen, below(path, "params", name), "%s", what(refused, name)).WithLabel("does not apply").
			WithNote("%s %s: %s, %s", manifest.Name, manifest.Version, name, manifest.Param(name).Doc).WithHelp("%s", help)
	}
}

// overlaid returns the values of over, and those of under for the keys that over lacks.
func overlaid(under, over map[string]any) map[string]any {
	all := map[string]any{}
	maps.Copy(all, under)
	maps.Copy(all, over)
	return all
}

// what returns the text of err without its place, which the finding shows.
func what(err error, name string) string {
	var e *sdk.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("`%s` %s", name, e.What)
	}
	return err.Error()
}

func defaultText(p *sdk.Param) string {
	if p.Required {
		return ""
	}
	return fmt.Sprintf("; default %v", p.Default)
}

// leaveOut says what happens without p, if p may be omitted.
func leaveOut(p *sdk.Param) string {
	if p.Required {
		return ""
	}
	return fmt.Sprintf(", or omit it to get the default, %v", p.Default)
}

func suggestParam(manifest *sdk.Manifest, name string) string {
	var names []string
	for _, p := range manifest.Params {
		names = append(names, p.Name)
	}
	if near := diag.Suggest(name, names); near != "" {
		return fmt.Sprintf("did you mean `%s`?", near)
	}
	if len(names) == 0 {
		return manifest.Name + " takes no parameters"
	}
	return "it has " + strings.Join(names, ", ")
}

// refused reports an error that a plugin returned for its configuration, at the
// parameter that the error names, if any.
func (m *maker) refused(manifest *sdk.Manifest, err error, path ...any) {
	at := below(path, "plugin")
	var e *sdk.Error
	if errors.As(err, &e) && manifest.Param(e.Where) != nil {
		at = below(path, "params", e.Where)
	}
	switch sdk.KindOf(err) {
	case sdk.KindDeadline, sdk.KindPlugin:
		m.add(codePlugin, at, "%v", err)
	case sdk.KindCrash:
		crash := *e
		crash.Hint = "" // it is the help
		m.add(codePlugin, at, "%v", &crash).WithHelp("%s", cmp.Or(e.Hint, notTheWorkflow))
	case sdk.KindBug, sdk.KindContract:
		m.add(codeConfigure, at, "%v", err).WithHelp("%s", notTheWorkflow)
	default:
		m.add(codeConfigure, at, "%v", err).WithHelp("`plume plugins describe %s` shows what it accepts", manifest.Name)
	}
}

const notTheWorkflow = "this is a fault of the plugin, not of the workflow; `plume plugins test` may find more"

// Dates says which dates the model times of w are; nil: its start has no date.
func Dates(w *workflow.Workflow) *sdk.Dates {
	if !w.Time.Start.Dated || w.Time.Unit == 0 {
		return nil
	}
	c := &sdk.Dates{Start: w.Time.Start.Date, Seconds: w.Time.Unit.Seconds(), Calendar: "proleptic_gregorian"}
	for _, o := range w.Observations {
		if other := o.Time.Calendar; other != "" && other != "standard" {
			c.Calendar = other
		}
	}
	return c
}

func (m *maker) model() {
	w, manifest := m.w, m.modelPlugin.Manifest
	step, err := manifest.ResolveStep(w.Time.Step)
	if err != nil {
		m.add(codeStep, []any{"time", "step"}, "%v", err).WithHelp("remove step, or choose a model that has a time step")
		return
	}
	m.checkStep(step, "time", "interval")
	m.checkStep(step, "time", "first")
	w.Model.Params = resolve(manifest, w.Model.Params)
	wide, err := manifest.With(w.Model.Params)
	if err != nil {
		m.refused(manifest, err, "model")
		return
	}
	names, params := m.estimates(wide)
	if len(m.found) > m.before {
		return
	}
	m.plan.single = w.Model.Precision == workflow.Float32
	model, err := m.modelPlugin.NewModel(m.ctx, sdk.ModelConfig{
		Params: w.Model.Params, Step: step, Dir: w.ModelDir(), PerMember: names, Dates: Dates(w), Single: m.plan.single,
	})
	if err != nil {
		m.refused(manifest, err, "model")
		return
	}
	w.Time.Step = step
	m.plan.ModelCalls = called(manifest, w.Model.Component, w.Model.Replicas)
	m.paths("model", manifest, w.Model.Params)
	m.plan.MaxFailed = w.Model.MaxFailed
	m.plan.Restart = map[string]Restart{"restart": FromInit, "climatology": FromClimatology}[w.Ensemble.OnDivergence]
	m.observed = model.Layout()
	if m.checkState(manifest, m.observed, "model"); len(m.found) > m.before {
		return
	}
	m.plan.State, m.plan.Parameters = m.augment(m.observed, params), len(params)
	m.plan.Places = m.observed.Coordinates
	m.bounded = m.bounds(params)
	m.plan.bounded = m.bounded
	m.plan.watched = &watched{Model: model}
	m.plan.Model, m.plan.Noise = m.withNoise(withDiagnostics(m.plan.watched), w.Model.Noise, "model")
	if len(params) > 0 {
		estimating := &estimating{Model: m.plan.Model, state: m.plan.State, params: params, bounded: parameters(m.bounded, m.observed.Size())}
		for _, name := range names {
			estimating.walk = append(estimating.walk, w.Model.Estimate[name].WalkSD)
		}
		m.plan.Model = estimating
	}
	if w.Truth != nil {
		m.truth(model, params)
	}
	m.checkTruth()
	m.plan.Ensemble = m.start(m.observed, params)
}

// truth makes the model of the truth: that of the ensemble, another configuration of
// its plugin, or another plugin whose states have the same variables.
func (m *maker) truth(model sdk.Model, estimated []*sdk.Param) {
	w, truth := m.w, &m.plan.Truth
	plugin := cmp.Or(m.truthPlugin, m.modelPlugin)
	step, params := w.Truth.Step, w.Truth.Params
	if m.truthPlugin == nil {
		step = cmp.Or(step, w.Time.Step)
		params = overlaid(w.Model.Params, w.Truth.Params)
		if m.checkWhen(plugin.Manifest, params, "truth"); len(m.found) > m.before {
			return
		}
	}
	step, err := plugin.Manifest.ResolveStep(step)
	if err != nil {
		m.add(codeStep, []any{"truth", "step"}, "%v", err).WithHelp("remove step, or choose a model that has a time step")
		return
	}
	m.checkStep(step, "time", "interval")
	m.checkStep(step, "time", "first")
	m.checkStep(step, "truth", "spin_up")
	if m.truthPlugin != nil {
		w.Truth.Params = resolve(plugin.Manifest, params)
		params = w.Truth.Params
	}
	if m.truthPlugin != nil || step != w.Time.Step || len(w.Truth.Params)+len(estimated) > 0 || m.plan.single {
		if model, err = plugin.NewModel(m.ctx, sdk.ModelConfig{Params: params, Step: step, Dir: w.ModelDir(), Dates: Dates(w)}); err != nil {
			m.refused(plugin.Manifest, err, "truth")
			return
		}
	}
	m.paths("truth", plugin.Manifest, params)
	if w.Truth.Step != 0 || m.truthPlugin != nil {
		w.Truth.Step = step
	}
	if got := model.Layout(); !sameVariables(got, m.observed) {
		at := []any{"truth", "params"}
		if m.truthPlugin != nil {
			at[1] = "plugin"
		}
		m.add(codeShape, at, "the states of the truth have %s, those of the model %s; they must be the same", describe(got), describe(m.observed)).
			WithLabel("%s", describe(got)).WithHelp("choose parameters or plugins whose states have the same variables and shapes")
		return
	}
	truth.SpinUp = w.Truth.SpinUp
	truth.Model, truth.Noise = m.withNoise(withDiagnostics(model), w.Truth.Noise, "truth")
	truth.Init = m.draw(w.Truth.Init, m.observed, "truth", "init")
	if len(estimated) > 0 {
		truth.Model = &fixed{truth.Model, m.plan.State}
		truth.Init.Dists = append(truth.Init.Dists, trueParameters(estimated, trueValues(plugin.Manifest, params))...)
	}
}

// sameVariables reports whether two layouts have the same variables in the same order.
func sameVariables(a, b *sdk.Layout) bool {
	return slices.EqualFunc(a.Variables, b.Variables, func(a, b sdk.Variable) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) && a.Diagnostic == b.Diagnostic
	})
}

// checkStep reports a time span of the workflow that is not a whole number of steps.
func (m *maker) checkStep(step float64, path ...any) {
	if step == 0 {
		return
	}
	name, value := path[1].(string), m.w.Time.Interval
	switch {
	case name == "spin_up":
		value = m.w.Truth.SpinUp
	case name == "first" && m.w.Time.First == nil:
		return
	case name == "first":
		value = *m.w.Time.First
	}
	nearest, whole := sdk.WholeSteps(value, step)
	switch {
	case whole || m.reported(path):
	case value/step > sdk.MostSteps:
		m.add(codeStep, path, "`%s` must be at most %g time steps, but %g / %g = %.6g", name, float64(sdk.MostSteps), value, step, value/step).
			WithHelp("shorten it, or choose a longer step")
	default:
		m.add(codeStep, path, "`%s` must be a whole number of time steps, but %g / %g = %.6g", name, value, step, value/step).
			WithHelp("the nearest multiple is %.6g", float64(nearest)*step)
	}
}

// reported reports whether there is a finding about the value at path.
func (m *maker) reported(path []any) bool {
	at := m.w.At(path...)
	return slices.ContainsFunc(m.found, func(f *diag.Finding) bool { return f.Span == at })
}

func (m *maker) filters() {
	m.each(func(i int, f *workflow.Filter, index int) {
		f.Params = resolve(m.filterPlugins[i].Manifest, f.Params)
		trial := m.trial(m.filterPlugins[i], f.Component, f.Size, "filter", index)
		if f.Window != nil && trial.Filter != nil {
			trial.Window = m.window(m.filterPlugins[i].Manifest, f, trial.Filter.Needs(), index)
		}
		if f.Every > 1 && trial.Filter != nil {
			trial.Every = m.every(m.filterPlugins[i].Manifest, f, &trial, index)
		}
		if f.Smooth != nil && trial.Filter != nil {
			trial.Smooth = m.lag(m.filterPlugins[i].Manifest, f, &trial, index)
		}
		trial.Label, trial.Values = f.Label, m.variants[i].Values
		m.plan.Trials = append(m.plan.Trials, trial)
	})
	if r := m.w.Reference; r != nil {
		r.Params = resolve(m.referencePlugin.Manifest, r.Params)
		trial := m.trial(m.referencePlugin, r.Component, r.Size, "reference")
		trial.Label = "reference"
		m.plan.Reference, m.plan.Keep = &trial, r.Store
	}
}

// trial returns a trial of a filter with size members. It reports what does not fit.
func (m *maker) trial(p *sdk.Plugin, c workflow.Component, size int, path ...any) Trial {
	space := m.plan.Space // one object for all trials: configurations are remembered by it
	if space.Cutoffs != nil && !p.Manifest.Cutoffs {
		plain := *space
		plain.Cutoffs = nil
		space = &plain
	}
	made, blocks, bounded := m.plan, m.blocks, m.bounded // m makes another plan by the time a trial is resized
	resize := func(ctx context.Context, members int, of Extent) (sdk.Filter, error) {
		state := made.State
		if of.Noise > 0 {
			state = made.Noise.after(state, of.Noise)
		}
		config := sdk.FilterConfig{Params: c.Params, State: state.Prognostic(), Observations: space, Members: members, Past: of.Past}
		if of.Cycles > 1 {
			config.Observations = repeatedSpace(space, of.Cycles)
		}
		f, err := p.NewFilter(ctx, config)
		if err != nil {
			return nil, err
		}
		f = withoutDiagnostics(f, state)
		return withBounds(withWhitening(f, repeatedBlocks(blocks, made.Space.Layout.Size(), of.Cycles)), repeatedBounds(bounded, state.Size(), of.Past)), nil
	}
	f, err := resize(m.ctx, size, Extent{Cycles: 1})
	if err != nil {
		if m.refused(p.Manifest, err, path...); len(m.blocks) > 0 {
			m.found[len(m.found)-1].WithNote("%s", noPlaces)
		}
		m.noteParameters(p, c.Params, size)
		return Trial{}
	}
	for _, need := range f.Needs() {
		if !slices.Contains(m.plan.Space.Offers, need) {
			help := "choose other parameters for the filter, another operator or another error model"
			if slices.Contains(m.plan.Space.Offers, sdk.Simulated) && (need == sdk.Predicted || need == sdk.ErrorVariance) {
				help += "; or have Plume predict from readings of the operator: [observations] repeats = 5"
			}
			if len(m.blocks) > 0 && (need == sdk.HasPositions || need == sdk.Gradient) {
				help = noPlaces
			}
			m.add(codeCapability, below(path, "plugin"), "%s needs `%s`, which %s not offer here", c.Plugin, need, m.observers("does", "do")).
				WithNote("%s %s", m.observers("offers", "offer"), join(m.plan.Space.Offers)).
				WithHelp("%s", help)
		}
	}
	if m.diagnoses() && slices.Contains(f.Needs(), sdk.Gradient) {
		m.add(codeDiagnostic, below(path, "plugin"), "%s needs gradients by the state, but what is observed depends on diagnostics of %s, too", c.Plugin, m.w.Model.Plugin).
			WithHelp("choose a filter that does not need them")
	}
	if i := slices.IndexFunc(m.w.Observations, func(o workflow.Observations) bool { return o.Cutoff > 0 }); i >= 0 &&
		!p.Manifest.Cutoffs && slices.Contains(f.Needs(), sdk.HasPositions) {
		m.add(codeCapability, below(path, "plugin"), "%s localizes all observations alike, but a stream has a cutoff of its own", c.Plugin).
			WithNote("the cutoff is at %s", m.w.At("observations", i, "cutoff").Where()).
			WithHelp("remove the cutoff of the stream, or choose a filter whose manifest says cutoffs = true")
	}
	return Trial{Plugin: c.Plugin, Filter: f, Size: size, Calls: called(p.Manifest, c, 1), Resize: resize}
}

// noteParameters adds to the last finding, about a filter that was refused, that the parameters that are
// estimated are the reason: the state of the model alone has coordinates and is accepted.
func (m *maker) noteParameters(p *sdk.Plugin, params sdk.Params, size int) {
	if m.plan.Parameters == 0 || m.plan.Places == nil {
		return
	}
	if _, err := p.NewFilter(m.ctx, sdk.FilterConfig{Params: params, State: m.observed.Prognostic(), Observations: m.plan.Space, Members: size}); err == nil {
		m.found[len(m.found)-1].WithNote("%s has coordinates, but parameters that are estimated have no place: filters that localize cannot update them, so remove the cutoff, or [model.estimate]", m.w.Model.Plugin)
	}
}

const noPlaces = "observations with correlated errors are for filters that neither localize nor use a gradient: remove the cutoff, or [observations] error.correlation"

func join(offers []sdk.Capability) string {
	names := make([]string, len(offers))
	for i, o := range offers {
		names[i] = string(o)
	}
	return strings.Join(names, ", ")
}

// resolve fills in the defaults of params that checkParams has accepted.
func resolve(manifest *sdk.Manifest, params map[string]any) sdk.Params {
	resolved, err := manifest.Resolve(params)
	if err != nil {
		panic("plan: parameters were accepted and then refused: " + err.Error())
	}
	return resolved
}
