//! A crate's public interface as lines, by its sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, ImplItem, Item, Meta, Token, TraitItem, UseTree, Visibility};

/// Stands in lines of variants, fields and methods that every user has to name.
pub(crate) const REQUIRED: &str = " requires ";
/// Ends the line of an enum that has no variants but those it shows.
pub(crate) const EXHAUSTIVE: &str = " is an exhaustive enum";

/// What a fuzzer runs, and the campaigns that test this very code: no promises to others.
const SKIPPED: [&str; 4] = ["fuzz", "sim::campaign", "sim::replication", "sim::sentinel"];

#[derive(Default)]
struct Listing {
    lines: BTreeSet<String>,
    /// Names of public types.
    types: BTreeSet<String>,
    /// Lines of implementations, by the name of their type: it may be a private one.
    implemented: Vec<(String, String)>,
}

/// The interface of the crate whose first file this is.
pub(crate) fn of(lib: &Path) -> Result<BTreeSet<String>, String> {
    let mut listing = Listing::default();
    let folder = lib.parent().ok_or("no folder")?;
    listing.file(lib, folder, "")?;
    Ok(listing.finish())
}

/// The interface of a text.
pub(crate) fn of_text(path: &str, text: &str) -> Result<BTreeSet<String>, String> {
    let mut listing = Listing::default();
    let file = syn::parse_file(text).map_err(|e| e.to_string())?;
    listing.items(&file.items, Path::new(""), path)?;
    Ok(listing.finish())
}

impl Listing {
    fn finish(mut self) -> BTreeSet<String> {
        let shown = self.implemented.into_iter().filter(|(name, _)| self.types.contains(name));
        self.lines.extend(shown.map(|(_, line)| line));
        self.lines
    }

    /// `folder` is where the file's modules are.
    fn file(&mut self, file: &Path, folder: &Path, path: &str) -> Result<(), String> {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let parsed = syn::parse_file(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        self.items(&parsed.items, folder, path)
    }

    fn items(&mut self, items: &[Item], folder: &Path, path: &str) -> Result<(), String> {
        let private: Vec<_> = items
            .iter()
            .filter_map(|i| match i {
                Item::Mod(m) if !is_public(&m.vis) => Some(m.ident.to_string()),
                _ => None,
            })
            .collect();
        for item in items {
            match item {
                Item::Mod(m) => self.module(m, folder, path)?,
                Item::Use(u) if is_public(&u.vis) => self.uses(&u.tree, &private, &mut Vec::new(), path),
                other => self.item(other, path),
            }
        }
        Ok(())
    }

    /// What a private module has that is public is shown by the one above it: it stands there.
    fn module(&mut self, m: &syn::ItemMod, folder: &Path, path: &str) -> Result<(), String> {
        let name = m.ident.to_string();
        let inner = if is_public(&m.vis) { join(path, &name) } else { path.to_owned() };
        if is_for_tests(&m.attrs) || SKIPPED.contains(&&inner[..]) {
            return Ok(());
        }
        let below = folder.join(&name);
        if let Some((_, items)) = &m.content {
            return self.items(items, &below, &inner);
        }
        let own: Option<PathBuf> = m.attrs.iter().find_map(path_attribute).map(|p| folder.join(p));
        let candidates = own.into_iter().chain([folder.join(format!("{name}.rs")), below.join("mod.rs")]);
        let file = candidates.into_iter().find(|f| f.is_file()).ok_or_else(|| format!("no file of module {inner}"))?;
        self.file(&file, &below, &inner)
    }

    fn uses(&mut self, tree: &UseTree, private: &[String], before: &mut Vec<String>, path: &str) {
        match tree {
            UseTree::Path(p) => {
                before.push(p.ident.to_string());
                self.uses(&p.tree, private, before, path);
                before.pop();
            }
            UseTree::Group(g) => g.items.iter().for_each(|t| self.uses(t, private, before, path)),
            leaf => {
                if before.first().is_some_and(|first| private.contains(first)) && !matches!(leaf, UseTree::Rename(_)) {
                    return;
                }
                let all = before.iter().filter(|b| !private.contains(b)).cloned();
                let names: Vec<_> = all.chain([text(leaf)]).collect();
                self.add(path, &format!("use {}", names.join("::")));
            }
        }
    }

    fn add(&mut self, path: &str, what: &str) {
        self.lines.insert(line(path, what));
    }

    fn item(&mut self, item: &Item, path: &str) {
        let named = match item {
            Item::Struct(s) if is_public(&s.vis) => Some(&s.ident),
            Item::Enum(e) if is_public(&e.vis) => Some(&e.ident),
            Item::Trait(t) if is_public(&t.vis) => Some(&t.ident),
            _ => None,
        };
        self.types.extend(named.map(ToString::to_string));
        match item {
            Item::Const(c) if is_public(&c.vis) => self.add(path, &format!("const {}: {}", c.ident, text(&c.ty))),
            Item::Static(s) if is_public(&s.vis) => self.add(path, &format!("static {}: {}", s.ident, text(&s.ty))),
            Item::Type(t) if is_public(&t.vis) => {
                self.add(path, &format!("type {}{} = {}", t.ident, text(&t.generics), text(&t.ty)));
            }
            Item::Fn(f) if is_public(&f.vis) => self.add(path, &text(&f.sig)),
            Item::Struct(s) if is_public(&s.vis) => self.structure(s, path),
            Item::Enum(e) if is_public(&e.vis) => self.enumeration(e, path),
            Item::Trait(t) if is_public(&t.vis) => self.interface(t, path),
            Item::Impl(i) if !is_for_tests(&i.attrs) => self.implementation(i, path),
            Item::Macro(m) if m.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
                let name = m.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                self.add(path, &format!("macro {name}"));
            }
            _ => {}
        }
    }

    fn structure(&mut self, s: &syn::ItemStruct, path: &str) {
        let name = format!("struct {}{}{}", s.ident, text(&s.generics), bounds(&s.generics));
        self.add(path, &name);
        self.derives(&s.attrs, &name, path);
        let open = is_non_exhaustive(&s.attrs) || s.fields.iter().any(|f| !is_public(&f.vis));
        // Without private fields it is built and taken apart by naming all of them.
        let joint = if open { " has " } else { REQUIRED };
        for (n, field) in s.fields.iter().enumerate().filter(|(_, f)| is_public(&f.vis)) {
            let field_name = field.ident.as_ref().map_or_else(|| n.to_string(), ToString::to_string);
            self.add(path, &format!("{name}{joint}{field_name}: {}", text(&field.ty)));
        }
    }

    fn enumeration(&mut self, e: &syn::ItemEnum, path: &str) {
        let name = format!("enum {}{}{}", e.ident, text(&e.generics), bounds(&e.generics));
        let open = is_non_exhaustive(&e.attrs);
        self.add(path, &if open { name.clone() } else { format!("{name}{EXHAUSTIVE}") });
        self.derives(&e.attrs, &name, path);
        let joint = if open { " has " } else { REQUIRED };
        for v in &e.variants {
            let fields = match &v.fields {
                Fields::Unit => String::new(),
                fields => {
                    let all = fields.iter().map(|f| {
                        let ident = f.ident.as_ref().map(|i| format!("{i}: ")).unwrap_or_default();
                        ident + &text(&f.ty)
                    });
                    format!(" {{ {} }}", all.collect::<Vec<_>>().join(", "))
                }
            };
            let more = if is_non_exhaustive(&v.attrs) { ", .." } else { "" };
            self.add(path, &format!("{name}{joint}{}{fields}{more}", v.ident));
        }
    }

    fn interface(&mut self, t: &syn::ItemTrait, path: &str) {
        let name = format!("trait {}{}", t.ident, text(&t.generics));
        self.add(path, &format!("{name}: {}{}", text(&t.supertraits), bounds(&t.generics)));
        for item in &t.items {
            let (required, shown) = match item {
                TraitItem::Fn(f) => (f.default.is_none(), text(&f.sig)),
                TraitItem::Const(c) => (c.default.is_none(), format!("const {}: {}", c.ident, text(&c.ty))),
                TraitItem::Type(ty) => (ty.default.is_none(), format!("type {}: {}", ty.ident, text(&ty.bounds))),
                _ => continue,
            };
            self.add(path, &format!("{name}{}{shown}", if required { REQUIRED } else { " has " }));
        }
    }

    /// Of a trait the fact; of a type its public functions.
    fn implementation(&mut self, i: &syn::ItemImpl, path: &str) {
        let syn::Type::Path(own) = &*i.self_ty else { return };
        let name = own.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        let head = format!("impl{} {}{}", text(&i.generics), text(&i.self_ty), bounds(&i.generics));
        if let Some((of, _)) = &i.trait_ {
            return self.implemented.push((name, line(path, &format!("{head}: {}", text(of)))));
        }
        for item in &i.items {
            let shown = match item {
                ImplItem::Fn(f) if is_public(&f.vis) => text(&f.sig),
                ImplItem::Const(c) if is_public(&c.vis) => format!("const {}: {}", c.ident, text(&c.ty)),
                _ => continue,
            };
            self.implemented.push((name.clone(), line(path, &format!("{head}: {shown}"))));
        }
    }

    fn derives(&mut self, attrs: &[Attribute], name: &str, path: &str) {
        for attr in attrs.iter().filter(|a| a.path().is_ident("derive")) {
            let Ok(all) = attr.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated) else { continue };
            all.iter().for_each(|each| self.add(path, &format!("{name} is {}", text(each))));
        }
    }
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn is_non_exhaustive(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| a.path().is_ident("non_exhaustive"))
}

/// `#[cfg(test)]`, and what begins so.
fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| match &a.meta {
        Meta::List(l) if a.path().is_ident("cfg") => {
            l.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|w| w == "test")
        }
        _ => false,
    })
}

fn path_attribute(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attr.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &pair.value else { return None };
    attr.path().is_ident("path").then(|| path.value())
}

fn bounds(generics: &syn::Generics) -> String {
    generics.where_clause.as_ref().map(|w| format!(" {}", text(w))).unwrap_or_default()
}

fn line(path: &str, what: &str) -> String {
    if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

/// Tokens as text, with a blank only where two words would run together or it reads better.
fn text(tokens: &impl ToTokens) -> String {
    let mut out = String::new();
    for word in tokens.to_token_stream().to_string().split_whitespace() {
        let tight = |c: char| "<>()[],:;&.'?!".contains(c);
        let apart = match (out.chars().next_back(), word.chars().next()) {
            (Some(a), Some(b)) => {
                let opens = tight(a) && !",:>)".contains(a) || out.ends_with("::");
                a == ',' || a == ':' && !opens || !opens && !tight(b)
            }
            _ => false,
        };
        if apart {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
