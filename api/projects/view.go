package projects

import (
	"cmp"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// projectView shows the project with this name. It reads the name when it is called,
// because a change may rename the project.
func projectView(name *string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		p, ok := s.Project(*name)
		if !ok {
			return nil, 0, false
		}
		return projectOf(s, p), p.Revision, true
	}
}

func topicView(project, name string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		t, ok := s.Topic(project, name)
		if !ok {
			return nil, 0, false
		}
		return topicOf(project, t), t.Revision, true
	}
}

func projectOf(s *snapshot.Snapshot, p *directory.Project) wire.Project {
	return wire.Project{
		Name: p.Name, Account: p.Account, Description: p.Description,
		CreatedOn: wire.Time(p.Made.Created), ModifiedOn: wire.Time(p.Made.Modified), CreatedBy: rest.UserName(s, p.Made.By),
	}
}

func topicOf(project string, t *directory.Topic) wire.Topic {
	return wire.Topic{
		Name: topicName(project, t.Name), Subject: cmp.Or(t.Subject, project+"."+t.Name),
		CreatedOn: wire.Time(t.Created),
	}
}
