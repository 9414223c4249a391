package tomltext

import "github.com/plume-da/plume/host/internal/diag"

// Codes of what is found in texts.
const (
	CodeSyntax     diag.Code = "E101" // the text is not TOML
	CodeRepeated   diag.Code = "E102" // a key is defined twice
	CodeTooLarge   diag.Code = "E103" // the text, or what it asks for, is too large
	CodeUnreadable diag.Code = "E104" // a file cannot be read
	CodeFlag       diag.Code = "E105" // a value of the command line is not key=value
	CodeInclude    diag.Code = "E107" // a file includes itself
)
