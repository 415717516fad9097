package push

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage/messages"
	"usher/cmd/usher/remote"
	"usher/internal/plural"
)

// asking is how many subscriptions are asked about at once.
const asking = 8

// report is the answer of usher push status, as --json prints it.
type report struct {
	Workers            []worker       `json:"workers"`                       // null: the user of the key may not see them, or not known
	WorkersUnavailable string         `json:"workers_unavailable,omitempty"` // why they are not known
	Subscriptions      []subscription `json:"subscriptions"`
	AsOf               string         `json:"as_of"`
}

type worker struct {
	Name          string `json:"name"`
	Subscriptions int    `json:"subscriptions"` // of those of the report
}

type subscription struct {
	Project          string          `json:"project"`
	Name             string          `json:"name"`
	State            *wire.PushState `json:"state"` // null: not known
	StateUnavailable string          `json:"state_unavailable,omitempty"`
	Lag              *int64          `json:"lag"` // null: not known
	LagUnavailable   string          `json:"lag_unavailable,omitempty"`
}

func statusCommand() remote.Command {
	return remote.Command{
		Name: "status", Usage: "show how the pushes of subscriptions go",
		Description: "Lists the subscriptions that are pushed, of the project of the context or, without one,\n" +
			"of every project that the key may see: who pushes them, what the worker has delivered\n" +
			"since the status last changed, how many attempts in a row have failed, and how many\n" +
			"messages wait. Counts can be half a minute old. It asks the management API, and needs\n" +
			"no configuration.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only subscriptions of project `P`", DefaultText: "that of the context"},
			&cli.BoolFlag{Name: "all", Usage: "of every project that the key may see"},
		},
		Run: status,
	}
}

func status(ctx context.Context, r *remote.Session) error {
	if r.CLI.Bool("all") && r.CLI.IsSet("project") {
		return cmdutil.UsageError("", "--all and --project: give only one of them")
	}
	projects, err := projectsOf(ctx, r)
	if err != nil {
		return err
	}
	out := &report{AsOf: time.Now().UTC().Format(time.RFC3339), Subscriptions: []subscription{}}
	for _, project := range projects {
		list, err := r.API.Subscriptions(ctx, project)
		if err != nil {
			return err
		}
		for i := range list.Subscriptions {
			s := &list.Subscriptions[i]
			if p := &s.PushConfig; p.Type != "" || p.PushEndpoint != "" {
				out.Subscriptions = append(out.Subscriptions, subscription{Project: project, Name: s.Name[strings.LastIndexByte(s.Name, '/')+1:]})
			}
		}
	}
	if err := out.ask(ctx, r); err != nil {
		return err
	}
	slices.SortFunc(out.Subscriptions, func(a, b subscription) int { return strings.Compare(a.full(), b.full()) })
	if err := out.askWorkers(ctx, r); err != nil {
		return err
	}
	return r.Print(out, func() error { return out.print(r) })
}

func projectsOf(ctx context.Context, r *remote.Session) ([]string, error) {
	if r.Project != "" && !r.CLI.Bool("all") {
		return []string{r.Project}, remote.CheckName("project", r.Project)
	}
	var names []string
	list, err := r.API.Projects(ctx)
	var refused *client.Error
	switch {
	case err == nil:
		for i := range list.Projects {
			names = append(names, list.Projects[i].Name)
		}
		return names, nil
	case !errors.As(err, &refused) || refused.Code != http.StatusForbidden:
		return nil, err
	}
	user, err := r.API.Profile(ctx) // of whom only some projects are
	if err != nil {
		return nil, err
	}
	for i := range user.Projects {
		names = append(names, user.Projects[i].Project)
	}
	return names, nil
}

// ask adds to each subscription how its pushes go. One that was removed meanwhile is left out.
func (o *report) ask(ctx context.Context, r *remote.Session) error {
	gone := make([]bool, len(o.Subscriptions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asking)
	for i := range o.Subscriptions {
		group.Go(func() error {
			err := o.Subscriptions[i].ask(ctx, r)
			var refused *client.Error
			if errors.As(err, &refused) && refused.Code == http.StatusNotFound {
				gone[i], err = true, nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	all := o.Subscriptions
	o.Subscriptions = []subscription{}
	for i := range all {
		if !gone[i] {
			o.Subscriptions = append(o.Subscriptions, all[i])
		}
	}
	return nil
}

func (s *subscription) ask(ctx context.Context, r *remote.Session) error {
	full, _, err := r.API.Subscription(ctx, s.Project, s.Name)
	if err != nil {
		return err
	}
	if s.State = full.PushState; s.State == nil {
		s.StateUnavailable = full.PushStatus // a text of AMS
	}
	lag, reason, err := messages.Lag(ctx, r.API, s.Project, s.Name)
	if err == nil && reason == "" {
		s.Lag = &lag
	}
	s.LagUnavailable = reason
	return err
}

// askWorkers adds the workers, if the caller may see them.
func (o *report) askWorkers(ctx context.Context, r *remote.Session) error {
	list, err := r.API.PushWorkers(ctx)
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		if refused.Code >= http.StatusInternalServerError {
			o.WorkersUnavailable = refused.Message
		}
		return nil // otherwise another role, or an older server
	case err != nil:
		return err
	}
	o.Workers = []worker{}
	for _, name := range list.Workers {
		w := worker{Name: name}
		for i := range o.Subscriptions {
			if s := o.Subscriptions[i].State; s != nil && s.Worker == name {
				w.Subscriptions++
			}
		}
		o.Workers = append(o.Workers, w)
	}
	return nil
}

func (s *subscription) full() string { return s.Project + "/" + s.Name }

func (o *report) print(r *remote.Session) error {
	of := func(value func(*wire.PushState) string) func(*subscription) string {
		return func(s *subscription) string {
			if s.State == nil {
				return ""
			}
			return value(s.State)
		}
	}
	err := remote.PrintTable(r.CLI.App.Writer, []remote.Column[subscription]{
		{Name: "subscription", Value: (*subscription).full},
		{Name: "status", Value: func(s *subscription) string {
			if s.StateUnavailable != "" {
				return "unknown"
			}
			return of(func(s *wire.PushState) string { return s.Status })(s)
		}},
		{Name: "worker", Value: of(func(s *wire.PushState) string { return s.Worker })},
		{Name: "delivered", Value: of(func(s *wire.PushState) string { return strconv.FormatUint(s.Delivered, 10) })},
		{Name: "failures", Value: of(func(s *wire.PushState) string { return strconv.Itoa(s.Failures) })},
		{Name: "dead letters", Value: of(func(s *wire.PushState) string { return strconv.FormatUint(s.DeadLetters, 10) })},
		{Name: "lag", Value: func(s *subscription) string {
			if s.Lag == nil {
				return ""
			}
			return strconv.FormatInt(*s.Lag, 10)
		}},
		{Name: "next attempt", Value: of(func(s *wire.PushState) string { return remote.FormatTime(s.NextAttempt) })},
		{Name: "last error", Value: of(func(s *wire.PushState) string { return s.LastError })},
	}, o.Subscriptions)
	r.Infof("as of %s; counts can be half a minute older", o.AsOf)
	o.printWorkers(r)
	if i := slices.IndexFunc(o.Subscriptions, func(s subscription) bool { return s.LagUnavailable != "" }); i >= 0 {
		r.Infof("lag of %s: %s", o.Subscriptions[i].full(), o.Subscriptions[i].LagUnavailable)
	}
	o.printUnknown(r)
	return err
}

// printUnknown says why a status is not known.
func (o *report) printUnknown(r *remote.Session) {
	reason := o.WorkersUnavailable // usher's own words
	i := slices.IndexFunc(o.Subscriptions, func(s subscription) bool { return s.StateUnavailable != "" })
	switch {
	case i >= 0:
		r.Infof("status of %s: not known: %s", o.Subscriptions[i].full(), cmp.Or(reason, o.Subscriptions[i].StateUnavailable))
	case reason != "":
		r.Infof("workers: not known: %s", reason)
	default:
		return
	}
	cmdutil.Hint(r.CLI.App.ErrWriter, "usher serve asks JetStream in the account of its service user. Is NATS up? /readyz and the log of usher serve say more")
}

func (o *report) printWorkers(r *remote.Session) {
	if o.Workers == nil {
		return
	}
	if len(o.Workers) == 0 {
		cmdutil.Note(r.CLI.App.ErrWriter, "no process pushes")
		cmdutil.Hint(r.CLI.App.ErrWriter, "set push.inside in usher.yaml, or run usher push")
		return
	}
	for _, w := range o.Workers {
		r.Infof("worker %s pushes %s of these", remote.Printable(w.Name), plural.Count(w.Subscriptions, "subscription"))
	}
}
