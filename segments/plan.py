"""Definitions compiled for speed: which features an event updates, and which segments that can move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pydantic import BaseModel

from segments.conditions import compile_condition
from segments.conditions.base import Answer
from segments.conditions.session import MOVED, STARTED
from segments.conditions.threshold import PopulationThreshold
from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.model import Condition, Confidence, Definitions, Segment
from segments.definitions.paths import context_paths, parts, property_paths, trait_paths
from segments.definitions.references import order_segments, references
from segments.definitions.selecting import Selector
from segments.events import ANY_EVENT, SESSION_STARTED, EventDecoder, Plausibility
from segments.features.base import Feature, Input, Update, stable_id
from segments.features.latest import Latest, Source, update_latest
from segments.features.scored import Scored
from segments.features.seen import Seen
from segments.features.session import SESSION_ID, SESSION_KEY, SessionSpan
from segments.models.features import Features, compile_features, known_paths
from segments.models.released import version_meant
from segments.models.scores import InForce
from segments.models.scoring import Scoring
from segments.models.spec import FeatureSet
from segments.population.bounds import Bounds, History
from segments.profile import NEVER, Layout, Profile
from segments.routes import Place, Router
from segments.rules import Checks, ConfidenceRule, Rule, WarmingRule
from segments.selectors import EventSelector


class Plan:
    """Compiled definitions; the memberships of segments in `warming` stand still, under the versions given there.

    >>> from segments.definitions import parse_definitions
    >>> plan = Plan(parse_definitions("segments: [{name: buyer, when: {lifetime: {of: count, event: Order, gte: 1}}}]"))
    >>> [rule.name for rule in plan.rules]
    ['buyer']
    """

    def __init__(
        self,
        definitions: Definitions,
        plausibility: Plausibility | None = None,
        *,
        warming: Mapping[str, int] = MappingProxyType({}),
        bounds: Bounds | None = None,
        feature_sets: Mapping[str, FeatureSet] = MappingProxyType({}),
        models: Iterable[InForce] = (),
    ) -> None:
        self.definitions = definitions
        self._feature_sets = dict(feature_sets)
        self.in_force = tuple(models)
        self.scorings: dict[str, Scoring] = {}
        self._scored_by: list[Scoring] = []  # of the segment that is being compiled
        self.plausibility = plausibility
        self.warming = warming
        self.timezone = definitions.timezone
        self.week_starts: str = definitions.week_starts
        self.thresholds: dict[str, PopulationThreshold] = {}
        self.population = bounds if bounds is not None else Bounds()
        self._compared: list[str] = []  # keys of the thresholds of the segment that is being compiled
        self._features: dict[int, Feature] = {}
        self._feature_ids = {SESSION_KEY: SESSION_ID}
        self._numbers: set[str] = set()
        self._used: set[int] = set()
        self._used_by: dict[str, frozenset[int]] = {}
        self._ids = {segment.name: index for index, segment in enumerate(definitions.segments)}
        self.parents = {segment.name: segment.parent for segment in definitions.segments if segment.parent}
        self.rules = self._compile_rules()
        for rule in self.rules:
            rule.guard = next(filter(self._is_rare, rule.needs), None)
            rule.retention = definitions.retention or NEVER
        self.following = tuple(rule for rule in self.rules if rule.compared)
        self._rules_by_id = {rule.segment_id: rule for rule in self.rules}
        for scoring in self.scorings.values():
            scoring.rules = tuple(rule for rule in self.rules if scoring in rule.scorings)
        self.models: dict[str, Features] = {name: compile_features(each, self) for name, each in feature_sets.items()}
        if any(SESSION_STARTED in _event_names(each) for each in (definitions, *self._feature_sets.values())):
            self.session()
        self.property_types = self._property_types()
        self.decoder = self._decoder(plausibility)
        self._router = Router(self._inputs(), self._watchers(), self.rules, self._interesting_from_the_start())
        self.layout = self._layout()
        self.session_started = self._router.session_started
        self.route = self._router.route
        self.update_session = _session_update(self._features)

    def feature(self, feature: Feature) -> int:
        """Register a feature, or widen the one with the same key; returns its id."""
        feature_id = self._feature_ids.setdefault(feature.key, len(self._feature_ids))
        self._features.setdefault(feature_id, feature).widen(feature)
        self._used.add(feature_id)
        return feature_id

    @property
    def features(self) -> Mapping[int, Feature]:
        """All features by their id in profiles of this plan's layout."""
        return self._features

    def features_of(self, name: str) -> frozenset[int]:
        """Return the ids of the features that a segment's own conditions read."""
        return self._used_by[name]

    def session(self) -> int:
        """Have sessions kept; returns the id of the session feature."""
        return self.feature(SessionSpan(self.definitions.session.gap))

    def bounds(self, threshold: PopulationThreshold) -> History:
        """Register a threshold that follows the population; returns its bounds."""
        self.thresholds.setdefault(threshold.key, threshold)
        self._compared.append(threshold.key)
        return self.population.of(threshold.key)

    def scoring(self, name: str, version: int | None) -> Scoring | None:
        """Have users scored by a model; returns what does that, None while no such version is in force."""
        meant = version_meant((each.version for each in self.in_force), name, version)
        model = next((each for each in self.in_force if each.version is meant), None)
        if model is None:
            return None
        label = name if version is None else model.version.label
        if label not in self.scorings:
            self.scorings[label] = self._scoring(label, model)
        found = self.scorings[label]
        self._used |= {*found.reads, found.feature}
        self._scored_by.append(found)
        return found

    def _scoring(self, label: str, model: InForce) -> Scoring:
        spec, used = model.version.feature_set(), self._used
        self._feature_sets[f"model {label}"] = spec
        self._used = set()
        features, reads = compile_features(spec, self), frozenset(self._used)
        self._used = used
        selectors = [each.selector for number in reads for each in self._features[number].inputs(number)]
        scored = Scored(label, model.version.delay, selectors)
        return Scoring(model, features, self.feature(scored), scored, reads)

    def number(self, path: str) -> None:
        """Declare that a property is read as a number, unless the definitions declare it otherwise."""
        self._numbers.add(path)

    def segment_id(self, name: str) -> int:
        """Return a segment's id in profiles."""
        return self._ids[name]

    def member_at(self, segment_id: int, profile: Profile, now: int) -> Answer:
        """Say whether the user is in a segment at `now` (ms)."""
        return self._rules_by_id[segment_id].at(profile, now)

    def rule(self, segment_id: int) -> Rule:
        """Return the rule of a membership in a profile of this plan's layout."""
        return self._rules_by_id[segment_id]

    def _is_rare(self, feature_id: int) -> bool:
        """Say whether many users have no state of a feature: not every event updates it."""
        return all(ANY_EVENT not in each.selector.names for each in self._features[feature_id].inputs(feature_id))

    def _compile_rules(self) -> tuple[Rule, ...]:
        segments = {segment.name: segment for segment in self.definitions.segments}
        needs = {name: references(segment) for name, segment in segments.items()}
        order, _ = order_segments(needs)
        rules = {name: self._compile_rule(segments[name], index) for index, name in enumerate(order)}
        for name, rule in rules.items():
            rule.dependents = tuple(rules[other] for other in order if name in needs[other])
            inherited = (key for need in needs[name] for key in rules[need].thresholds)
            rule.thresholds = tuple(dict.fromkeys((*rule.thresholds, *inherited)))
            scored = (each for need in needs[name] for each in rules[need].follows)
            rule.follows = tuple(dict.fromkeys((*rule.scorings, *scored)))
        return tuple(rules.values())

    def _compile_rule(self, segment: Segment, index: int) -> Rule:
        self._used = set()
        self._compared.clear()
        self._scored_by.clear()
        when = compile_condition(segment.when, self)
        exit_when = compile_condition(segment.exit_when, self) if segment.exit_when else None
        confidence = self._confidence(segment.confidence) if segment.confidence else None
        parent = compile_condition(_member_of(segment.parent), self) if segment.parent else None
        self._used_by[segment.name] = frozenset(self._used)
        kind, version = Rule, self.warming.get(segment.name)
        if version is not None:
            kind, segment = WarmingRule, segment.model_copy(update={"version": version})
        rule = kind(segment, self._ids[segment.name], index, Checks(when, exit_when, confidence, parent))
        rule.scorings = tuple(dict.fromkeys(self._scored_by))
        if version is None:
            rule.compared = tuple(dict.fromkeys(self._compared))
            rule.thresholds = tuple(map(self.population.of, rule.compared))
        return rule

    def _confidence(self, spec: Confidence) -> ConfidenceRule:
        feature = self.feature(Seen(EventSelector(spec.refreshed_by), "last"))
        return ConfidenceRule(spec.half_life, spec.leave_below, feature)

    def condition(self, feature_id: int) -> str:
        """Return what a feature is kept for, as people read it; an empty text for an id that there is not."""
        return next((key for key, known in self._feature_ids.items() if known == feature_id), "")

    def _layout(self) -> Layout:
        layout = Layout(
            tuple(stable_id(key) for key in self._feature_ids),
            tuple(stable_id(f"segment|{name}") for name in self._ids),
        )
        _refuse_clashes("segments", dict(zip(self._ids, layout.segments, strict=True)))
        _refuse_clashes("conditions", dict(zip(self._feature_ids, layout.features, strict=True)))
        return layout

    def _inputs(self) -> Iterable[Place]:
        for feature_id, feature in self._features.items():
            if feature_id == SESSION_ID:
                selector = next(iter(feature.inputs(feature_id))).selector
                started = EventSelector(Selector(event=[SESSION_STARTED]))
                yield feature_id, Input(selector, None, MOVED)
                yield feature_id, Input(started, None, STARTED)
            else:
                yield from ((feature_id, each) for each in feature.inputs(feature_id))

    def _watchers(self) -> list[Update]:
        """Updates of what is known about users: one reads all traits, one all of the context."""
        watchers = []
        sources: tuple[tuple[Source, object], ...] = (
            ("traits", self.decoder.no_traits),
            ("context", self.decoder.no_context),
        )
        for source, empty in sources:
            known = [(i, f) for i, f in self._features.items() if isinstance(f, Latest) and f.source == source]
            if known:
                watchers.append(update_latest(source, known, empty))
        return watchers

    def _property_types(self) -> dict[str, str]:
        """Types that properties must have: the declared ones, and numbers where a condition reads a number."""
        declared: dict[str, str] = dict(self.definitions.properties)
        for path in self._numbers:
            if "." not in path and declared.setdefault(path, "number") not in ("number", "integer"):
                message = f"property '{path}' is declared {declared[path]}, but is read as a number"
                raise DefinitionErrors([Problem("definitions", 1, "properties", message, f"declare '{path}: number'")])
        return declared

    def _decoder(self, plausibility: Plausibility | None) -> EventDecoder:
        read, known = (self.definitions, *self._feature_sets.values()), known_paths(self._feature_sets.values())
        return EventDecoder(
            properties=self.property_types,
            property_paths=set().union(*map(property_paths, read)),
            context_paths=set().union(known["context"], *map(context_paths, read)),
            trait_paths=set().union(known["trait"], *map(trait_paths, read)),
            plausibility=plausibility,
        )

    def _interesting_from_the_start(self) -> tuple[Rule, ...]:
        """Rules that may hold, or come to hold by themselves, for a user about whom nothing is known."""
        nobody = Profile()
        return tuple(
            rule
            for rule in self.rules
            if rule.decide(nobody, False, 0, 0) != (False, NEVER)
            or any(self.thresholds[key].counts(self.thresholds[key].number(nobody, 0).value) for key in rule.compared)
        )


def _member_of(name: str) -> Condition:
    return Condition.model_construct(segment=name)  # not validated: inner names of the shadow are no names in a file


def _session_update(features: dict[int, Feature]) -> Update | None:
    """Return what moves the session forward and says whether one started; None when nobody asks for sessions."""
    session = features.get(SESSION_ID)
    return None if session is None else next(iter(session.inputs(SESSION_ID))).update


def _event_names(definitions: BaseModel) -> set[str]:
    """Return the names of all events that conditions or features select or give points to."""
    names = {name for part in parts(definitions) for name in getattr(part, "event", None) or ()}
    return names | {name for part in parts(definitions) for name in getattr(part, "points", None) or ()}


def _refuse_clashes(what: str, checksums: dict[str, int]) -> None:
    if len(set(checksums.values())) != len(checksums):
        names = [name for name, checksum in checksums.items() if list(checksums.values()).count(checksum) > 1]
        message = f"the checksums of {names} clash; change the wording of one"
        raise DefinitionErrors([Problem("definitions", 1, what, message)])
