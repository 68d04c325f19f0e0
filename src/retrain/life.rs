//! The life of runs, as a state machine.

use std::collections::BTreeMap;

use super::{DAY, Effect, Event, Guards, Refusal, Run, State};
use crate::rule::alert::RetrainRequest;
use crate::time::Time;

/// Runs that are over and are kept, for each action and model, for people to look at and so that a request which comes
/// once more is known. Those that guards count are kept beside that.
const KEPT: usize = 100;

/// All runs that there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retrains {
    /// By the action's name.
    guards: BTreeMap<String, Guards>,
    /// By id.
    runs: BTreeMap<String, Run>,
}

impl Retrains {
    /// Takes up what was stored. What follows is what the end of the process has kept from being done.
    pub fn resume(guards: BTreeMap<String, Guards>, stored: Vec<Run>, now: Time) -> (Retrains, Vec<Effect>) {
        let (waiting, known): (Vec<Run>, Vec<Run>) = stored.into_iter().partition(|run| run.state == State::Requested);
        let runs: BTreeMap<String, Run> = known.into_iter().map(|run| (run.id.clone(), run)).collect();
        let mut retrains = Retrains { guards, runs };
        // Whoever trains knows it by its id, if it has been there already.
        let under_way = retrains.runs.values().filter(|run| run.state == State::Triggering);
        let mut effects: Vec<Effect> = under_way.map(|run| Effect::Trigger(Box::new(run.clone()))).collect();
        let mut waiting = waiting;
        waiting.sort_by(|a, b| (a.requested, &a.id).cmp(&(b.requested, &b.id)));
        for run in waiting {
            effects.extend(retrains.step(Event::Requested(Box::new(run.request)), now));
        }
        (retrains, effects)
    }

    /// The guards are these from now on, for runs to come.
    pub fn guard(&mut self, guards: BTreeMap<String, Guards>) {
        self.guards = guards;
    }

    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    pub fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id)
    }

    /// Whether what a person or a program wants of a run means anything, so that they can be told.
    pub fn allows(&self, event: &Event) -> Result<(), Refusal> {
        let Some(id) = id_of(event) else { return Ok(()) };
        let run = self.runs.get(id).ok_or(Refusal::Unknown)?;
        let is_allowed = match event {
            Event::Approved { .. } => can_be_approved(run),
            Event::Denied { .. } => run.state == State::AwaitingApproval,
            Event::Started { .. } => run.state.is_in_flight(),
            Event::Succeeded { .. } | Event::Failed { .. } => run.state.is_in_flight() || run.state == State::Lost,
            Event::Triggered { .. } | Event::TriggerFailed { .. } => run.state.is_in_flight(),
            Event::Requested(_) | Event::Tick => true,
        };
        if is_allowed { Ok(()) } else { Err(Refusal::Not(run.state)) }
    }

    /// What follows from an event at this time by the clock.
    pub fn step(&mut self, event: Event, now: Time) -> Vec<Effect> {
        if self.allows(&event).is_err() && !matches!(event, Event::Requested(_)) {
            return Vec::new();
        }
        match event {
            Event::Requested(request) => self.request(*request, now),
            Event::Approved { id, who } => self.approve(&id, who, now),
            Event::Denied { id, who } => self.change(&id, now, |run| {
                run.state = State::Denied;
                run.who = Some(who);
            }),
            Event::Triggered { id, run: name } => self.change(&id, now, |run| {
                run.run = name.or(run.run.take());
                // It may have been heard of before this was.
                if run.state == State::Triggering {
                    run.state = State::Triggered;
                }
            }),
            Event::TriggerFailed { id, why } => self.trigger_failed(&id, why, now),
            Event::Started { id } => self.change(&id, now, |run| run.state = State::Started),
            Event::Succeeded { id, version } => self.change(&id, now, |run| {
                run.state = State::Succeeded;
                run.new_version = version;
            }),
            Event::Failed { id, why } => self.change(&id, now, |run| {
                run.state = State::Failed;
                run.why = why;
            }),
            Event::Tick => self.tick(now),
        }
    }

    fn request(&mut self, request: RetrainRequest, now: Time) -> Vec<Effect> {
        if self.runs.contains_key(&request.id) {
            return Vec::new();
        }
        let mut run = Run::requested(request, now);
        let Some(guards) = self.guards.get(&run.action).cloned() else {
            // The action is gone since it was stored.
            return vec![Effect::Forgotten(run.id)];
        };
        let mut effects = Vec::new();
        let objection = self.ask(&guards, &mut run, now);
        if objection.is_none() && guards.approval {
            effects.extend(self.supersede(&run, now));
            run.state = State::AwaitingApproval;
        } else {
            decide(&guards, &mut run, objection, now);
        }
        effects.extend(self.put(run, now));
        effects
    }

    /// Nobody is asked twice: one question for each action and model is open, that of the latest request.
    fn supersede(&mut self, newer: &Run, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        let open = |run: &&mut Run| run.state == State::AwaitingApproval && is_of_same(run, newer);
        for run in self.runs.values_mut().filter(open) {
            run.state = State::Held;
            run.why = format!("the request {} is newer", newer.id);
            run.changed = now;
            effects.push(Effect::Changed(Box::new(run.clone())));
        }
        effects
    }

    fn approve(&mut self, id: &str, who: String, now: Time) -> Vec<Effect> {
        let Some(mut run) = self.runs.get(id).cloned() else { return Vec::new() };
        run.who = Some(who);
        run.changed = now;
        run.why.clear();
        match self.guards.get(&run.action).cloned() {
            Some(guards) => {
                let objection = self.ask(&guards, &mut run, now);
                decide(&guards, &mut run, objection, now);
            }
            None => {
                run.state = State::Held;
                run.why = "there is no action of this name any more".to_owned();
            }
        }
        self.put(run, now)
    }

    /// Asks the guards, and notes what they went by.
    fn ask(&self, guards: &Guards, run: &mut Run, now: Time) -> Option<String> {
        let others = self.runs.values().filter(|other| other.id != run.id && is_of_same(other, run));
        run.guards = guards.figures(run, others, now);
        guards.objection(&run.guards, now)
    }

    fn trigger_failed(&mut self, id: &str, why: String, now: Time) -> Vec<Effect> {
        let is_waited_for = self.runs.get(id).is_some_and(|run| run.state == State::Triggering);
        if !is_waited_for {
            return Vec::new();
        }
        self.change(id, now, |run| {
            run.state = State::Failed;
            run.why = why;
            // Nobody trains, so the next one need not wait.
            run.triggered = None;
        })
    }

    fn tick(&mut self, now: Time) -> Vec<Effect> {
        let lost_after = |run: &Run| self.guards.get(&run.action).map_or(DAY, |guards| guards.lost_after);
        let is_lost =
            |run: &&Run| matches!(run.state, State::Triggered | State::Started) && run.changed + lost_after(run) <= now;
        let lost: Vec<String> = self.runs.values().filter(is_lost).map(|run| run.id.clone()).collect();
        lost.iter().flat_map(|id| self.change(id, now, |run| run.state = State::Lost)).collect()
    }

    fn change(&mut self, id: &str, now: Time, change: impl FnOnce(&mut Run)) -> Vec<Effect> {
        let Some(run) = self.runs.get_mut(id) else { return Vec::new() };
        change(run);
        run.changed = now;
        vec![Effect::Changed(Box::new(run.clone()))]
    }

    fn put(&mut self, run: Run, now: Time) -> Vec<Effect> {
        let mut effects = vec![Effect::Changed(Box::new(run.clone()))];
        if run.state == State::Triggering {
            effects.push(Effect::Trigger(Box::new(run.clone())));
        }
        self.runs.insert(run.id.clone(), run.clone());
        effects.extend(self.forget(&run, now));
        effects
    }

    /// Forgets what has been over for longest of the same action and model, but nothing that guards go by.
    fn forget(&mut self, newest: &Run, now: Time) -> Vec<Effect> {
        let of_same = || self.runs.values().filter(|run| is_of_same(run, newest));
        let last = of_same().filter_map(|run| run.triggered).max();
        let counts =
            |run: &Run| run.triggered.is_some_and(|triggered| now < triggered + DAY || Some(triggered) == last);
        let mut over: Vec<(Time, String)> = of_same()
            .filter(|run| run.state.is_over() && !counts(run) && run.id != newest.id)
            .map(|run| (run.changed, run.id.clone()))
            .collect();
        over.sort();
        let too_many = over.len().saturating_sub(KEPT);
        let forgotten: Vec<String> = over.into_iter().take(too_many).map(|(_, id)| id).collect();
        forgotten.iter().for_each(|id| drop(self.runs.remove(id)));
        forgotten.into_iter().map(Effect::Forgotten).collect()
    }
}

fn id_of(event: &Event) -> Option<&str> {
    match event {
        Event::Approved { id, .. }
        | Event::Denied { id, .. }
        | Event::Triggered { id, .. }
        | Event::TriggerFailed { id, .. }
        | Event::Started { id }
        | Event::Succeeded { id, .. }
        | Event::Failed { id, .. } => Some(id),
        Event::Requested(_) | Event::Tick => None,
    }
}

fn is_of_same(a: &Run, b: &Run) -> bool {
    a.action == b.action && a.request.model == b.request.model
}

fn can_be_approved(run: &Run) -> bool {
    match run.state {
        State::AwaitingApproval | State::Held => true,
        // One that whoever trains has never had.
        State::Failed => run.triggered.is_none(),
        _ => false,
    }
}

/// What is done if the guards object, or if they do not.
fn decide(guards: &Guards, run: &mut Run, objection: Option<String>, now: Time) {
    if let Some(why) = objection {
        run.state = State::Held;
        run.why = why;
    } else {
        run.state = if guards.dry_run { State::DryRun } else { State::Triggering };
        run.triggered = Some(now);
    }
}
