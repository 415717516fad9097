package deployment

import (
	"context"
	"time"

	"usher/app/control"
)

// controlWait bounds how long running ushers may take to reload.
const controlWait = 10 * time.Second

// Reload has every running usher reload, and returns what came of it.
func (d *Deployment) Reload(ctx context.Context) ([]control.Reload, error) {
	return ask(ctx, d, control.SubjectReload, func(r *control.Reload) string { return r.Instance })
}

// Configurations returns the configuration that each running usher uses.
func (d *Deployment) Configurations(ctx context.Context) ([]control.Configuration, error) {
	return ask(ctx, d, control.SubjectConfiguration, func(c *control.Configuration) string { return c.Instance })
}

// ask asks the ushers that run now.
func ask[T any](ctx context.Context, d *Deployment, subject string, name func(*T) string) ([]T, error) {
	reports, err := d.Reports(ctx)
	if err != nil {
		return nil, err
	}
	if len(reports) == 0 {
		return nil, control.ErrNobody
	}
	return control.Ask(ctx, d.service, subject, len(reports), controlWait, name)
}
