package ams

import (
	"slices"
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

// splitPath splits "/projects/P/topics/T". AMS sometimes omits the first slash.
func splitPath(path, kind string) (project, name string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != kind {
		return "", "", false
	}
	return parts[1], parts[3], true
}

// readTopics reads topics*.json.
func (r *reader) readTopics() {
	items(r, "topics", func(where string, t *topic) {
		project, name, ok := splitPath(t.Name, "topics")
		if !ok {
			r.problem(where+".name", "", "expected /projects/…/topics/…, found %s", secret.Quote(t.Name))
			return
		}
		i, known := r.projects[project]
		if !known {
			r.note(where, "topic %s skipped: there is no project %s", secret.Name(name), secret.Name(project))
			return
		}
		p := &r.records.Projects[i]
		j := len(p.Topics)
		r.origins[at("projects", i)+"."+at("topics", j)] = where
		p.Topics = append(p.Topics, directory.Topic{Name: name, Created: r.time(where+".created_on", t.CreatedOn)})
		r.addResource(t.Name, where, i, func(p *directory.Project) *[]string { return &p.Topics[j].ACL })
	})
}

// readSubscriptions reads subscriptions*.json.
func (r *reader) readSubscriptions() {
	items(r, "subscriptions", func(where string, s *subscription) {
		project, name, ok := splitPath(s.Name, "subscriptions")
		if !ok {
			r.problem(where+".name", "", "expected /projects/…/subscriptions/…, found %s", secret.Quote(s.Name))
			return
		}
		i, known := r.projects[project]
		if !known {
			r.note(where, "subscription %s skipped: there is no project %s", secret.Name(name), secret.Name(project))
			return
		}
		p := &r.records.Projects[i]
		inProject, topic, ok := splitPath(s.Topic, "topics")
		if !ok || inProject != project || !slices.ContainsFunc(p.Topics, func(t directory.Topic) bool { return t.Name == topic }) {
			r.note(where, "subscription %s skipped: its topic %s is not in the project", secret.Name(name), secret.Name(s.Topic))
			return
		}
		j := len(p.Subscriptions)
		r.origins[at("projects", i)+"."+at("subscriptions", j)] = where
		p.Subscriptions = append(p.Subscriptions, directory.Subscription{
			Name: name, Topic: topic, AckDeadline: s.AckDeadline, Push: r.push(where, &s.Push), Created: r.time(where+".createdOn", s.CreatedOn),
		})
		r.addResource(s.Name, where, i, func(p *directory.Project) *[]string { return &p.Subscriptions[j].ACL })
	})
}

func (r *reader) push(where string, p *pushConfig) *directory.Push {
	if p.Endpoint == "" && p.MattermostURL == "" {
		return nil
	}
	in := where + ".pushConfig"
	if !slices.Contains([]string{"", "http_endpoint", "mattermost"}, p.Type) {
		r.problem(in+".type", "", "there is no push type %s", secret.Quote(p.Type))
	}
	if !slices.Contains([]string{"", "linear", "slowstart"}, p.Retry.Type) {
		r.problem(in+".retryPolicy.type", "", "there is no retry policy %s", secret.Quote(p.Retry.Type))
	}
	if p.MaxMessages < 0 || p.Retry.Period < 0 {
		r.problem(in, "", "a number is negative")
	}
	hash := p.VerificationHash
	if (&directory.Push{VerificationHash: hash}).Check() != nil {
		r.note(in, "verificationHash skipped: usher needs printable characters of ASCII; verify the endpoint again")
		hash = ""
	}
	return &directory.Push{
		Type: p.Type, Endpoint: p.Endpoint, MaxMessages: p.MaxMessages, RetryType: p.Retry.Type, RetryPeriod: p.Retry.Period,
		Base64Decode: p.Base64Decode, MattermostURL: p.MattermostURL, MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
		VerificationHash: hash, Verified: p.Verified && (hash != "" || p.Type == directory.PushMattermost),
		Authorization: r.authorization(in, p.Authorization.Value),
	}
}

// authorization returns the authorization header of a subscription, which the import seals.
func (r *reader) authorization(where, header string) *directory.PushAuthorization {
	if header == "" {
		return nil
	}
	if err := directory.CheckHeader(header); err != nil {
		r.note(where, "value of authorizationHeader skipped: %v. After the import, usher subscription push rotate-header makes another one", err)
		return nil
	}
	return &directory.PushAuthorization{Header: header}
}

func (r *reader) addResource(path, where string, project int, acl func(*directory.Project) *[]string) {
	path = "/" + strings.TrimPrefix(path, "/")
	r.resources[path] = &resource{project: project, where: where, acl: acl}
	r.order = append(r.order, path)
}
