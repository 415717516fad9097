package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// measureCPU compares the CPU times of the services for one connect, in the rounds in
// which both recovered. In others connects are few, and their CPU time says little.
func (s *storms) measureCPU(context.Context, *runner) (figures, error) {
	all := figures{}
	errs := []error{all.setCPU("cpu", s.pairs)}
	for _, g := range s.cpuGroups() {
		errs = append(errs, all.setCPU(g.id, slices.DeleteFunc(slices.Clone(s.pairs), func(p pair) bool { return !g.has(p) })))
	}
	return all, errors.Join(errs...)
}

// cpuGroup is a row about some of the storms.
type cpuGroup struct {
	row
	has func(pair) bool
}

// cpuGroups returns the groups in which there are storms.
func (s *storms) cpuGroups() (groups []cpuGroup) {
	if slices.ContainsFunc(s.sizes, func(n int) bool { return !isLarge(n) }) {
		groups = append(groups,
			cpuGroup{
				row{"cpu-plain", "the same, plain, up to " + thousands(notLarge) + " clients", information(), "×"},
				func(p pair) bool { return !p.sealed && !isLarge(p.usher.Clients) },
			},
			cpuGroup{
				row{"cpu-sealed", "the same, sealed", information(), "×"},
				func(p pair) bool { return p.sealed },
			},
		)
	}
	if isLarge(s.largest()) {
		groups = append(groups, cpuGroup{
			row{"cpu-large", "the same, plain, more than " + thousands(notLarge) + " clients", information(), "×"},
			func(p pair) bool { return isLarge(p.usher.Clients) },
		})
	}
	return groups
}

// setCPU sets the CPU time of usher for one connect, to the reference's.
func (f figures) setCPU(id string, pairs []pair) error {
	var byUsher, byReference cpuShare
	for _, p := range pairs {
		if p.usher.recovered() && p.reference.recovered() {
			byUsher.add(p.usher)
			byReference.add(p.reference)
		}
	}
	if byUsher.connects == 0 {
		return fmt.Errorf("%s: there was no round in which both recovered", id)
	}
	x, err := ratio(byUsher.each(), byReference.each())
	if err != nil {
		return err
	}
	f[id] = figure{value: x}
	if id == "cpu" {
		f["cpu-usher"] = figure{value: byUsher.each()}
		f["cpu-reference"] = figure{value: byReference.each()}
	}
	return nil
}

// cpuShare is the CPU time of a service in several storms.
type cpuShare struct{ ms, connects float64 }

func (c *cpuShare) add(s *storm) {
	c.ms += s.cpu.service.Seconds() * 1000
	c.connects += float64(s.Connected)
}

// each returns the milliseconds for one connect.
func (c *cpuShare) each() float64 { return c.ms / c.connects }
