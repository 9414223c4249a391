// Code generated from the folders of plugins/ by go generate ./host/cmd/plume; DO NOT EDIT.

//go:build unix

package main

import (
	filterdiffusion "github.com/plume-da/plume/plugins/filter-diffusion"
	filterenkf "github.com/plume-da/plume/plugins/filter-enkf"
	filterpf "github.com/plume-da/plume/plugins/filter-pf"
	"github.com/plume-da/plume/plugins/grpc4bmi"
	kuramotosivashinsky "github.com/plume-da/plume/plugins/kuramoto-sivashinsky"
	"github.com/plume-da/plume/plugins/linear"
	"github.com/plume-da/plume/plugins/lorenz05"
	"github.com/plume-da/plume/plugins/lorenz63"
	"github.com/plume-da/plume/plugins/lorenz96"
	lorenz96tracer "github.com/plume-da/plume/plugins/lorenz96-tracer"
	obsnonlinear "github.com/plume-da/plume/plugins/obs-nonlinear"
	obsumbridge "github.com/plume-da/plume/plugins/obs-umbridge"
	"github.com/plume-da/plume/plugins/process"
	shallowwater "github.com/plume-da/plume/plugins/shallow-water"
	"github.com/plume-da/plume/plugins/umbridge"
	"github.com/plume-da/plume/sdk"
)

// builtin are the plugins of this project, by name.
var builtin = map[string]func() (*sdk.Plugin, error){
	"filter-diffusion":     filterdiffusion.Plugin,
	"filter-enkf":          filterenkf.Plugin,
	"filter-pf":            filterpf.Plugin,
	"grpc4bmi":             grpc4bmi.Plugin,
	"kuramoto-sivashinsky": kuramotosivashinsky.Plugin,
	"linear":               linear.Plugin,
	"lorenz05":             lorenz05.Plugin,
	"lorenz63":             lorenz63.Plugin,
	"lorenz96":             lorenz96.Plugin,
	"lorenz96-tracer":      lorenz96tracer.Plugin,
	"obs-nonlinear":        obsnonlinear.Plugin,
	"obs-umbridge":         obsumbridge.Plugin,
	"process":              process.Plugin,
	"shallow-water":        shallowwater.Plugin,
	"umbridge":             umbridge.Plugin,
}
