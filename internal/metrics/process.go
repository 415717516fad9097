package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// RegisterProcess registers what every process of usher has: metrics of Go and of the process,
// the version, and whether it is ready.
func RegisterProcess(reg prometheus.Registerer, version string, ready func() error) {
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	RegisterState(
		reg,
		State{
			Name: "usher_build_info", Help: "Always 1; the version is a label.", Labels: []string{"version"},
			Read: func() []Sample { return []Sample{{Labels: []string{version}, Value: 1}} },
		},
		State{
			Name: "usher_ready", Help: "1 if the process is ready, as /readyz says; otherwise 0.",
			Read: func() []Sample {
				if ready() != nil {
					return []Sample{{Value: 0}}
				}
				return []Sample{{Value: 1}}
			},
		},
	)
}
