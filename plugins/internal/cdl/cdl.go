// Package cdl reads variables and dimensions in parameters of plugins, in the notation of
// netCDF's CDL: "h(y, x)" and "y = 20".
package cdl

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/plume-da/plume/sdk"
)

var (
	variableRule  = regexp.MustCompile(`^([A-Za-z_]\w*)\s*(?:\(\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*\))?$`)
	dimensionRule = regexp.MustCompile(`^([A-Za-z_]\w*)\s*=\s*([1-9]\d{0,8})$`)
	commaRule     = regexp.MustCompile(`\s*,\s*`)
)

// Dimensions returns the names and lengths that the parameter dimensions states.
func Dimensions(texts []string) (names []string, lengths []int, err error) {
	for _, text := range texts {
		parts := dimensionRule.FindStringSubmatch(text)
		if parts == nil {
			return nil, nil, config("dimensions", "got %q, want a name and a length", text).WithHint(`such as "y = 20"`)
		}
		if slices.Contains(names, parts[1]) {
			return nil, nil, config("dimensions", "%s is repeated", parts[1])
		}
		k, err := strconv.Atoi(parts[2])
		if err != nil {
			return nil, nil, config("dimensions", "%v", err)
		}
		names, lengths = append(names, parts[1]), append(lengths, k)
	}
	return names, lengths, nil
}

// Variable returns the variable that an item of the parameter called where states, with
// the lengths of its dimensions and without a unit.
func Variable(where, text string, names []string, lengths []int) (sdk.Variable, error) {
	parts := variableRule.FindStringSubmatch(text)
	if parts == nil {
		return sdk.Variable{}, config(where, "got %q, want a name, or a name and its dimensions", text).WithHint(`such as "x" or "h(y, x)"`)
	}
	v := sdk.Variable{Name: parts[1]}
	if parts[2] == "" {
		return v, nil
	}
	for _, name := range commaRule.Split(parts[2], -1) {
		i := slices.Index(names, name)
		if slices.Contains(v.Dims, name) {
			return v, config(where, "%s has the dimension %s twice", v.Name, name)
		}
		if i < 0 {
			return v, config(where, "%s has the dimension %s, whose length is not in dimensions", v.Name, name)
		}
		v.Dims, v.Shape = append(v.Dims, name), append(v.Shape, lengths[i])
	}
	return v, nil
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}
