// Package weights is imported by the SDK, which may not import plugins.
package weights
