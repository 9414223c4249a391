// Package docs holds the pages that the program quotes.
package docs

import _ "embed"

// Troubleshooting is the page about failures, with a section for every code of a finding.
//
//go:embed troubleshooting.md
var Troubleshooting string
