package sdk

import "context"

// ModelPlugin returns the model plugin described by manifest, the text of its
// plugin.toml. new receives parameters that have been checked against the
// manifest, with defaults filled in. The error is about the manifest.
func ModelPlugin(manifest string, new func(ModelConfig) (Model, error)) (*Plugin, error) {
	m, err := manifestOf(manifest, RoleModel)
	if err != nil {
		return nil, err
	}
	return &Plugin{Manifest: m, NewModel: func(_ context.Context, c ModelConfig) (_ Model, err error) {
		if c.Params, err = m.accept(c.Params); err != nil {
			return nil, err
		}
		if c.Step, err = m.ResolveStep(c.Step); err != nil {
			return nil, err
		}
		wide, err := m.With(c.Params)
		if err != nil {
			return nil, err
		}
		if err := wide.checkPerMember(c.PerMember); err != nil {
			return nil, err
		}
		return new(c)
	}}, nil
}

// OperatorPlugin returns the observation operator plugin described by manifest;
// see [ModelPlugin].
func OperatorPlugin(manifest string, new func(OperatorConfig) (ObservationOperator, error)) (*Plugin, error) {
	m, err := manifestOf(manifest, RoleOperator)
	if err != nil {
		return nil, err
	}
	return &Plugin{Manifest: m, NewOperator: func(_ context.Context, c OperatorConfig) (_ ObservationOperator, err error) {
		if c.Params, err = m.accept(c.Params); err != nil {
			return nil, err
		}
		if err := m.CheckError(c.Error); err != nil {
			return nil, err
		}
		return new(c)
	}}, nil
}

// FilterPlugin returns the filter plugin described by manifest; see
// [ModelPlugin].
func FilterPlugin(manifest string, new func(FilterConfig) (Filter, error)) (*Plugin, error) {
	m, err := manifestOf(manifest, RoleFilter)
	if err != nil {
		return nil, err
	}
	return &Plugin{Manifest: m, NewFilter: func(_ context.Context, c FilterConfig) (_ Filter, err error) {
		if c.Params, err = m.accept(c.Params); err != nil {
			return nil, err
		}
		return new(c)
	}}, nil
}

func manifestOf(text string, role Role) (*Manifest, error) {
	m, err := ParseManifest(text)
	if err != nil {
		return nil, err
	}
	if m.Role != role {
		return nil, Errorf(KindContract, "plugin.toml", "role: got %q, want %q", m.Role, role)
	}
	return m, nil
}
