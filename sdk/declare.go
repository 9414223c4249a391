package sdk

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// declarationRule is what an item of a parameter with Declares looks like.
var declarationRule = regexp.MustCompile(`^\s*([a-z][a-z0-9_]*)\s*=\s*(\S+)\s*$`)

// With returns a copy of m that also has the parameters that params declare, see [Param.Declares],
// as numbers that may differ by member. It returns an error of KindConfig if a name
// is taken. Items that are not of the form NAME = NUMBER are left to [Param.Check].
func (m *Manifest) With(params map[string]any) (*Manifest, error) {
	wide := *m
	for _, p := range m.Params {
		if !p.Declares {
			continue
		}
		items, given := anySlice(params[p.Name])
		if !given {
			items, _ = anySlice(p.Default)
		}
		for _, item := range items {
			name, value, ok := Declaration(item)
			if !ok {
				continue
			}
			if wide.Param(name) != nil {
				return nil, Errorf(KindConfig, p.Name, "%s has a parameter %s already", m.Name, name)
			}
			wide.Params = append(slices.Clip(wide.Params), Param{
				Name: name, Type: Float, Default: value, PerMember: true, Doc: "declared in " + p.Name,
			})
		}
	}
	return &wide, nil
}

// Declaration returns the name and the number in an item, such as "rate = 0.5", of a parameter
// with Declares.
func Declaration(item any) (name string, value float64, ok bool) {
	text, _ := item.(string)
	parts := declarationRule.FindStringSubmatch(text)
	if parts == nil {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(parts[2], 64)
	return parts[1], value, err == nil && !strings.ContainsAny(parts[2], "nN") // NaN and Inf
}

// checkDeclarations returns an error unless all items declare a parameter.
func (p *Param) checkDeclarations(items []string) error {
	for i, item := range items {
		if _, _, ok := Declaration(item); !ok {
			return Errorf(KindConfig, p.Name, "must be %s, but item %d is %q", p.Wants(), i+1, item)
		}
	}
	return nil
}

// declaresFaults returns what is wrong with Declares.
func (p *Param) declaresFaults(role Role) []string {
	if p.Declares && (p.Type != Strings || len(p.Choices) > 0 || p.Path != "" || role != RoleModel) {
		return []string{fmt.Sprintf("declares is for strings of models, without choices and path, not %s", p.Type)}
	}
	return nil
}
