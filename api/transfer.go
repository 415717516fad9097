package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/directory/transfer"
)

// The parameters of an import.
const (
	paramMode    = "mode"
	paramDryRun  = "dryRun"
	paramAccount = "account"

	modeMerge   = "merge"
	modeReplace = "replace"
)

// maxFaults bounds how many faults of a file are answered.
const maxFaults = 50

func exportDirectory(c *call) (*answer, error) {
	return &answer{typ: typeYAML, stream: func(w io.Writer) error { return file.Write(w, c.snapshot.Records()) }}, nil
}

// importDirectory plans on the directory as it is, and then changes it part by
// part. What is wrong with the file is answered before anything has changed.
func importDirectory(c *call) (*answer, error) {
	q := c.r.URL.Query()
	mode, dry := q.Get(paramMode), q.Get(paramDryRun)
	if mode != "" && mode != modeMerge && mode != modeReplace {
		return nil, invalid("Invalid mode")
	}
	if dry != "" && dry != "true" && dry != "false" {
		return nil, invalid("Invalid dryRun")
	}
	c.tried = dry == "true"
	plan, into, err := c.plan(mode == modeReplace, q.Get(paramAccount))
	if err != nil {
		return nil, err
	}
	result := &wire.ImportResult{DryRun: c.tried, Entries: plan.Len(), Counts: countsOf(plan.Counts())}
	return &answer{typ: typeLines, stream: func(w io.Writer) error {
		lines := newLines(c.w, w)
		if c.tried {
			for line := range plan.Lines() {
				lines.write(wire.ImportLine{Diff: line})
			}
		} else if err := c.run(plan, into, lines); err != nil {
			e := c.shownFailure(asFailure(err)).Error
			lines.write(wire.ImportLine{Error: &e})
			c.told = lines.err == nil
			return err
		}
		lines.write(wire.ImportLine{Result: result})
		var err error
		c.change.After, err = json.Marshal(result)
		return errors.Join(err, lines.err)
	}}, nil
}

// places are the accounts of what is imported: own ones have to be made first.
type places struct{ own, others []string }

// plan reads the body and compares it with the directory.
func (c *call) plan(replace bool, account string) (plan *transfer.Plan, into places, _ error) {
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, into, unread(err)
	}
	if c.holdsKey(string(text)) {
		return nil, into, c.arguments(errKey)
	}
	records, src, err := file.Parse("body", text)
	if err != nil {
		return nil, into, c.faults(err)
	}
	if !src.Has("users") && !src.Has("projects") {
		return nil, into, c.arguments(errEmpty)
	}
	own, problems := c.unstated(&records, account)
	into.own = own
	for i := range records.Projects {
		p := &records.Projects[i]
		into.others = append(into.others, p.Account)
		if err := c.checkAccount(p.Account); err != nil {
			problems = append(problems, directory.Problem{Path: fmt.Sprintf("projects[%d].account", i), Message: err.Error(), Hint: hintAccount})
		}
	}
	if len(problems) > 0 {
		return nil, into, c.faults(file.Locate(src, problems))
	}
	// Reading took as long as the client liked: who asks is looked up again, and the
	// plan is made on the directory as it is now.
	if err := c.permitted(c.cfg.Store.Snapshot()); err != nil {
		return nil, into, err
	}
	plan, err = transfer.New(c.snapshot, records, transfer.Options{Replace: replace, Now: c.now(), By: c.user.ID})
	switch {
	case errors.As(err, &problems):
		return nil, into, c.faults(file.Locate(src, problems))
	case err != nil: // what it would lead to, not what the file says
		f := conflict("%s", err)
		f.cause = err
		return nil, into, f
	}
	return plan, into, nil
}

// unstated gives an account to projects that state none: the one that all of them
// shall have, or one of its own where the service makes accounts, and returns whose
// accounts have to be made.
func (c *call) unstated(r *directory.Records, account string) (own []string, problems directory.Problems) {
	if account == "" && c.cfg.Accounts == nil && !c.cfg.AccountStated {
		account = c.cfg.DefaultAccount
	}
	in := map[string]string{} // project by account that it states
	for p := range c.snapshot.Projects() {
		if p.Account != p.Name {
			in[p.Account] = p.Name
		}
	}
	for i := range r.Projects {
		in[r.Projects[i].Account] = r.Projects[i].Name
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		old, there := c.snapshot.Project(p.Name)
		path := fmt.Sprintf("projects[%d].account", i)
		switch {
		case p.Account != "":
		case account != "":
			p.Account = account
		case there:
			p.Account = old.Account
		case c.cfg.Accounts == nil && !c.cfg.AccountStated: // the directory says what is missing
		case c.cfg.Accounts == nil:
			problems = append(problems, directory.Problem{
				Path: path, Message: "is missing, and this service makes no accounts (operator.create_accounts)",
				Hint: "usher directory import -c makes them, where the operator's key is; or state the account",
			})
		case in[p.Name] != "":
			problems = append(problems, directory.Problem{Path: path, Message: "would be " + shownName(p.Name) + ", which another project is in", Hint: hintAccount})
		default:
			p.Account = p.Name
			own = append(own, p.Name)
		}
	}
	return own, problems
}

var errEmpty = errors.New("the body holds no directory; one without anybody is written as users: []")

// faults says what is wrong with a file, and where.
func (c *call) faults(err error) *failure {
	f := c.arguments(err)
	f.details = file.Lines(err)
	if len(f.details) > maxFaults {
		f.details = append(f.details[:maxFaults], "and more")
	}
	return f
}

// run makes the accounts of a plan and its changes. Who asks has to be allowed to
// at each part, on the directory that the part is made on: what it imports about
// itself is no exception, and comes last where it takes that away.
func (c *call) run(plan *transfer.Plan, into places, lines *lines) error {
	if err := c.openAccounts(into.own, func(done, total int) {
		lines.write(wire.ImportLine{Accounts: true, Done: done, Total: total})
	}); err != nil {
		return err
	}
	changed := 0
	check := func(s *snapshot.Snapshot) error {
		if err := c.permitted(s); err != nil {
			return err
		}
		return c.takes(into.own, into.others)
	}
	last, err := transfer.Run(c.r.Context(), checked{c.cfg.Store, check}, plan, func(done, total int) {
		changed = done
		lines.write(wire.ImportLine{Done: done, Total: total})
	})
	if err == nil {
		if last != nil {
			c.change.Revision = last.Latest()
		}
		return nil
	}
	f := *asFailure(err)
	f.details = append(f.details, fmt.Sprintf("%d of %d entries are changed; another import does the rest", changed, plan.Len()))
	return &f
}

// checked is a store that looks first who asks.
type checked struct {
	store Store
	check func(*snapshot.Snapshot) error
}

// Change implements transfer.Store.
func (s checked) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	return s.store.Change(ctx, func(at *snapshot.Snapshot) ([]directory.Entry, error) {
		if err := s.check(at); err != nil {
			return nil, err
		}
		return f(at)
	})
}

// lines writes one JSON value per line, each as soon as it is there.
type lines struct {
	enc   *json.Encoder
	flush func() error
	err   error
}

func newLines(rw http.ResponseWriter, w io.Writer) *lines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &lines{enc: enc, flush: http.NewResponseController(rw).Flush}
}

// write writes a line. When nobody reads them any more, the request's context ends
// the import.
func (l *lines) write(line wire.ImportLine) {
	if l.err == nil {
		l.err = l.enc.Encode(line)
	}
	if l.err == nil && line.Diff == "" {
		_ = l.flush() // where it is not supported, lines come later
	}
}

func countsOf(c transfer.Counts) wire.ImportCounts {
	of := func(n transfer.Count) wire.ImportCount { return wire.ImportCount(n) }
	return wire.ImportCounts{
		Users: of(c.Users), Keys: of(c.Keys), Projects: of(c.Projects), Members: of(c.Members),
		Topics: of(c.Topics), Subscriptions: of(c.Subscriptions), ACLs: of(c.ACLs),
	}
}
