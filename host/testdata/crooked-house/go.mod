module github.com/plume-da/plume

go 1.26
