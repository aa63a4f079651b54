//! stub
use crate::error::Result;
/// x
#[derive(Clone,Debug)]
pub struct Chart{ /// x
pub svg:String}
/// x
pub struct Series{ /// x
pub name:String, /// x
pub points:Vec<(f64,f64)>, /// x
pub dots:bool}
/// x
pub fn line_chart(_t:&str,_x:&str,_y:&str,_s:&[Series])->Result<Chart>{Ok(Chart{svg:String::new()})}
/// x
pub fn histogram(_t:&str,_x:&str,_y:&str,_s:&[f64],_m:&[(String,f64)])->Result<Chart>{Ok(Chart{svg:String::new()})}
