package tomltext

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/plume-da/plume/host/internal/diag"
)

// Encode returns v, a struct or a map, as TOML.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := toml.NewEncoder(&b)
	e.Indent = ""
	err := e.Encode(v)
	return b.Bytes(), err
}

// Inline returns v as TOML, as it is written after a key.
func Inline(v any) ([]byte, error) {
	b, err := Encode(map[string]any{"v": v})
	if err != nil {
		return nil, err
	}
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("v = "))), nil
}

// Show returns a scalar as it is written in TOML, shortened for messages.
func Show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(diag.Shorten(v))
	case float64:
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	}
	return fmt.Sprint(v)
}

// Dotted returns the path of a key in the table whose path is table; that of the whole
// text is empty.
func Dotted(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}
