//! Content to try recommenders on.

use std::sync::Arc;

use baeum_domain::catalog::Catalog;

/// A title, as it stands in a catalogue. `topics` come quoted.
pub(crate) fn title(id: &str, level: &str, topics: &str, skill: &str, focus: &str) -> String {
    format!(
        "[[title]]\nid = \"{id}\"\ntitle = \"T\"\ntitle_ko = \"T\"\nkind = \"film\"\nyear = 2020\nlanguage = \"en\"\n\
         level = \"{level}\"\ntopics = [{topics}]\nskills = [\"{skill}\"]\nfocus = [\"{focus}\"]\nminutes = 90\n\
         synopsis = \"S\"\nproviders = [{{ country = \"KR\", provider = \"P\", offer = \"free\", url = \
         \"https://p.example\" }}]\n"
    )
}

/// A clip with a written task about articles.
pub(crate) fn clip(id: &str, level: &str, topic: &str) -> String {
    format!(
        "[[clip]]\nid = \"{id}\"\ntitle = \"T\"\nlevel = \"{level}\"\ntopics = [\"{topic}\"]\nskills = [\"listening\"]\n\
         focus = []\nduration_ms = 60000\nsynopsis = \"S\"\nsegments = [{{ start_ms = 0, end_ms = 900, text = \"t\", \
         gloss = \"g\" }}]\ntasks = [{{ id = \"{id}-w\", kind = \"writing\", prompt = \"?\", focus = \"articles\", \
         min_words = 5, sample = \"!\" }}]\n"
    )
}

/// A catalogue of these.
pub(crate) fn catalog(content: &[String]) -> Arc<Catalog> {
    Arc::new(Catalog::parse([("all.toml", content.concat().as_str())]).expect("good content"))
}
